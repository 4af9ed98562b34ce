/**
 * A chunk's name is the SHA-256 of its bytes. WebCrypto hashes on libuv's pool: 4 MiB through `createHash` would
 * hold up the loop for several milliseconds.
 */
import { createHash, webcrypto } from "node:crypto";
import { chunkBytes } from "../../lib/content.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { ChunkHash } from "../../lib/types.ts";

/** The largest chunk: all but a file's last have this size. Large enough for the disk, small enough for memory. */
export const maxChunkBytes = chunkBytes;

/** Less than this is hashed on the loop: it takes no longer than the way to the pool and back. */
const inlineBytes = 128 * 1024;

const chunkName = /^[0-9a-f]{64}$/;

export function isChunkName(name: string): name is ChunkHash {
  return chunkName.test(name);
}

export async function hashOf(bytes: Uint8Array): Promise<ChunkHash> {
  if (bytes.length <= inlineBytes)
    return ChunkHash(createHash("sha256").update(bytes).digest("hex"));
  const digest = await webcrypto.subtle.digest("SHA-256", bytes);
  return ChunkHash(Buffer.from(digest).toString("hex"));
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
