/**
 * The name of a file's content, by which a client tells whether it has the same: SHA-256 over the SHA-256 of each chunk,
 * in order. Of a stored version it is made from the catalog alone, of a local file from its bytes.
 */
import { createHash } from "node:crypto";
import { chunkBytes, type ChunkRef } from "../lib/content.ts";

/** Of content whose chunks are known. 64 hexadecimal digits. */
export function contentDigest(chunks: readonly Pick<ChunkRef, "hash">[]): string {
  const whole = createHash("sha256");
  for (const { hash } of chunks) whole.update(hash, "hex");
  return whole.digest("hex");
}

/** Of bytes as they come. Hashes on the caller's thread: not for the daemon's loop. */
export class ContentHasher {
  readonly #whole = createHash("sha256");
  #chunk = createHash("sha256");
  #filled = 0;

  update(bytes: Uint8Array): void {
    for (let taken = 0; taken < bytes.length;) {
      const part = bytes.subarray(taken, taken + chunkBytes - this.#filled);
      this.#chunk.update(part);
      this.#filled += part.length;
      taken += part.length;
      if (this.#filled === chunkBytes) this.#endChunk();
    }
  }

  /** Ends the content; nothing may follow. */
  digest(): string {
    if (this.#filled > 0) this.#endChunk();
    return this.#whole.digest("hex");
  }

  #endChunk(): void {
    this.#whole.update(this.#chunk.digest());
    this.#chunk = createHash("sha256");
    this.#filled = 0;
  }
}
