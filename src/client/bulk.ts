/** The body of a bulk put, as lib/api/bulk.ts says: a line of JSON before the bytes of each file. */
import type { BulkHeader } from "../lib/api/bulk.ts";
import { IDunnoError } from "../lib/errors.ts";

export interface BulkFile {
  readonly path: string;
  /** Of its content, exactly. */
  readonly bytes: number;
  /** Only when this is the newest version (0: when there is none); otherwise the whole request is refused. */
  readonly ifVersion?: number | undefined;
  /** The whole content. Called for each try. */
  readonly read: () => Promise<Uint8Array>;
}

/** @throws INVALID when a file has another length than was said: it changed meanwhile */
export async function* bulkBody(files: readonly BulkFile[]): AsyncGenerator<Uint8Array> {
  for (const { path, bytes, ifVersion, read } of files) {
    const content = await read();
    if (content.length !== bytes)
      throw new IDunnoError("INVALID", {
        what: path,
        why: `it had ${bytes} bytes and now has ${content.length}`,
        remedy: "put it when nobody writes to it",
      });
    const header: BulkHeader =
      ifVersion === undefined ? { path, bytes } : { path, bytes, ifVersion };
    // In one piece: small files would otherwise cost two writes each.
    yield Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), content]);
  }
}
