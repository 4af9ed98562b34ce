/**
 * A chunk's name is the SHA-256 of its bytes. It is hashed on the loop, a slice in a turn: 4 MiB at once would hold it up
 * for several milliseconds, and so does WebCrypto, which first copies what it hashes on its pool.
 */
import { createHash } from "node:crypto";
import { chunkBytes } from "../../lib/content.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { ChunkHash } from "../../lib/types.ts";

/** The largest chunk: all but a file's last have this size. Large enough for the disk, small enough for memory. */
export const maxChunkBytes = chunkBytes;

/** Hashed in one turn of the loop: a few tenths of a millisecond. */
const sliceBytes = 512 * 1024;

const chunkName = /^[0-9a-f]{64}$/;

export function isChunkName(name: string): name is ChunkHash {
  return chunkName.test(name);
}

export async function hashOf(bytes: Uint8Array): Promise<ChunkHash> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    if (at > 0) await new Promise<void>((resolve) => void setImmediate(resolve));
    hash.update(bytes.subarray(at, at + sliceBytes));
  }
  return ChunkHash(hash.digest("hex"));
}

/**
 * Checks that bytes are the chunk they are said to be.
 * @throws IDunnoError MALFORMED when they are not; TOO_LARGE
 */
export async function verify(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
  refuseBadName(hash);
  if (bytes.length > maxChunkBytes) {
    const what = `chunk ${hash}`;
    throw new IDunnoError("TOO_LARGE", { what, size: bytes.length, limit: maxChunkBytes });
  }
  const actual = await hashOf(bytes);
  if (actual === hash) return;
  throw new IDunnoError("MALFORMED", {
    path: `chunk ${hash}`,
    expected: `bytes of that SHA-256, not of ${actual}`,
  });
}

/**
 * A hash becomes part of a path: one that came from outside must not lead elsewhere.
 * @throws IDunnoError MALFORMED
 */
export function refuseBadName(hash: ChunkHash): void {
  if (isChunkName(hash)) return;
  const expected = "64 lower-case hexadecimal digits";
  throw new IDunnoError("MALFORMED", { path: "chunk hash", expected });
}
