/**
 * What the clients put: bytes that follow from a seed, so that every slice of every version can be made again for
 * comparison and none has to be kept. Long contents may share their chunks after the first, which are then stored once.
 */
import { createHash } from "node:crypto";
import { Random } from "../../../src/lib/random.ts";

export interface Content {
  readonly seed: number;
  /** Seed of what comes after the first chunk: contents with equal tails share chunks. */
  readonly tail: number;
  readonly bytes: number;
}

export const mib = 1024 * 1024;
const firstChunkBytes = 4 * mib;
/** What differs from block to block stands at its start. */
const blockBytes = 64 * 1024;
const template = templateBlock();

function templateBlock(): Buffer {
  const random = new Random(5);
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; at < blockBytes; at += 4) block.writeUInt32LE(random.next(), at);
  return block;
}

function blockAt({ seed, tail }: Content, n: number): Buffer {
  const block = Buffer.from(template);
  block.writeUInt32LE((n * blockBytes < firstChunkBytes ? seed : tail) >>> 0, 0);
  block.writeUInt32LE(n, 4);
  return block;
}

/** The bytes from `start` to before `end`, in pieces. */
export function* piecesOf(
  content: Content,
  { start, end }: { readonly start: number; readonly end: number } = {
    start: 0,
    end: content.bytes,
  },
): Generator<Buffer> {
  const last = Math.min(end, content.bytes);
  for (let n = Math.floor(start / blockBytes); n * blockBytes < last; n += 1) {
    const from = n * blockBytes;
    yield blockAt(content, n).subarray(
      Math.max(0, start - from),
      Math.min(blockBytes, last - from),
    );
  }
}

/** As the body of a put. */
export async function* streamOf(content: Content): AsyncGenerator<Uint8Array> {
  yield* piecesOf(content);
}

export function sha256Of(
  content: Content,
  range?: { readonly start: number; readonly end: number },
): string {
  const hash = createHash("sha256");
  for (const piece of piecesOf(content, range)) hash.update(piece);
  return hash.digest("hex");
}

/** The names of the chunks, in order. */
export function chunksOf(content: Content): string[] {
  const names: string[] = [];
  for (let start = 0; start < content.bytes; start += firstChunkBytes)
    names.push(sha256Of(content, { start, end: start + firstChunkBytes }));
  return names;
}

/** Length and hash of what came. */
export async function digestOf(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of body) {
    hash.update(piece);
    bytes += piece.byteLength;
  }
  return { sha256: hash.digest("hex"), bytes };
}
