/** Reads the body of a bulk put: a line of JSON, then the bytes it announces, again and again. One file in memory at a time. */
import { BulkHeader, bulkLimits } from "../../lib/api/bulk.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { parser } from "../../lib/schema.ts";

const parseHeader = parser(BulkHeader, "bulk header");
const lineEnd = 0x0a;

export interface BulkFile extends BulkHeader {
  /** `header.bytes` of them, allocated for this file alone. */
  readonly content: Uint8Array;
}

/**
 * The files of a body, in order.
 * @throws IDunnoError MALFORMED for what is no header, or when the body ends within a file; TOO_LARGE
 */
export async function* bulkFiles(body: AsyncIterable<Uint8Array>): AsyncGenerator<BulkFile> {
  const reader = new Reader(body);
  for (let n = 1; ; n += 1) {
    const line = await reader.line();
    if (line === undefined) return;
    if (n > bulkLimits.files)
      throw new IDunnoError("TOO_LARGE", { what: "the group", size: n, limit: bulkLimits.files });
    const header = parseHeader(readJson(line, n));
    yield { ...header, content: await reader.bytes(header) };
  }
}

function readJson(line: string, n: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const details = { path: `header of file ${n}`, expected: "a line of JSON" };
    throw new IDunnoError("MALFORMED", details, { cause });
  }
}

class Reader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #total = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#pieces = body[Symbol.asyncIterator]();
  }

  /** The next line without its end; undefined when the body has ended. */
  async line(): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      if (this.#piece.length === 0 && !(await this.#more())) {
        if (length === 0) return undefined;
        throw cutOff("a header line");
      }
      const end = this.#piece.indexOf(lineEnd);
      const part = this.#take(end < 0 ? this.#piece.length : end);
      length += part.length;
      if (length > bulkLimits.headerBytes)
        throw new IDunnoError("TOO_LARGE", {
          what: "a header line",
          size: length,
          limit: bulkLimits.headerBytes,
        });
      parts.push(part);
      if (end < 0) continue;
      this.#take(1);
      return Buffer.concat(parts).toString("utf8");
    }
  }

  async bytes({ path, bytes: size }: BulkHeader): Promise<Uint8Array> {
    const content = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      if (this.#piece.length === 0 && !(await this.#more()))
        throw cutOff(`${size} bytes of ${path}, not ${filled}`);
      const part = this.#take(Math.min(size - filled, this.#piece.length));
      content.set(part, filled);
      filled += part.length;
    }
    return content;
  }

  #take(length: number): Uint8Array {
    const part = this.#piece.subarray(0, length);
    this.#piece = this.#piece.subarray(length);
    return part;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#pieces.next();
    if (done === true) return false;
    this.#total += value.length;
    if (this.#total > bulkLimits.bodyBytes)
      throw new IDunnoError("TOO_LARGE", {
        what: "the body",
        size: this.#total,
        limit: bulkLimits.bodyBytes,
      });
    this.#piece = value;
    return true;
  }
}

function cutOff(expected: string): IDunnoError {
  return new IDunnoError("MALFORMED", { path: "end of the body", expected });
}
