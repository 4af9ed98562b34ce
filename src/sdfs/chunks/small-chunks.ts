/**
 * Small chunks that this node fetched but is no replica of, in memory: to write, name and read a file of a few kilobytes
 * costs a node more than to fetch it again. Those used longest ago give way.
 */
import { chunkBytes } from "../../lib/content.ts";
import type { ChunkHash } from "../../lib/types.ts";

/** Up to this size a chunk is small: copying it takes less than the trips to the disk that it saves. */
export const smallChunkBytes = 64 * 1024;
/** Small chunks of one request between nodes: together they are half of what a frame carries. */
export const smallChunksTogether = chunkBytes / 2 / smallChunkBytes;
/** Bytes kept: ten thousand thumbnails, and a fraction of what a daemon has anyway. */
export const smallChunksBytes = 32 * 1024 * 1024;

export class SmallChunks {
  /** In the order of their last use. */
  readonly #chunks = new Map<ChunkHash, Uint8Array>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes default {@link smallChunksBytes} */
  constructor(maxBytes: number = smallChunksBytes) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk's bytes, for reading only. */
  get(hash: ChunkHash): Uint8Array | undefined {
    const bytes = this.#chunks.get(hash);
    if (bytes === undefined) return undefined;
    this.#chunks.delete(hash);
    this.#chunks.set(hash, bytes);
    return bytes;
  }

  /** Keeps these bytes, which nobody changes any more. */
  keep(hash: ChunkHash, bytes: Uint8Array): void {
    this.drop(hash);
    this.#chunks.set(hash, bytes);
    this.#bytes += bytes.length;
    for (const oldest of this.#chunks.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.drop(oldest);
    }
  }

  drop(hash: ChunkHash): void {
    this.#bytes -= this.#chunks.get(hash)?.length ?? 0;
    this.#chunks.delete(hash);
  }
}
