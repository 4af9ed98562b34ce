/** The inputs of one attempt on this machine, as files or in memory, which stay until all of them are let go together. */
import { chunkBytes } from "../lib/content.ts";
import type { InputFile } from "../inference/types.ts";
import type { ManifestInput } from "../scheduler/manifest.ts";
import { smallChunkBytes } from "../sdfs/chunks/small-chunks.ts";
import type { ChunkService } from "./chunk-service.ts";

/** Bytes of an attempt's inputs that may be in memory: they go to the executor in one message, and wait there for their turn. */
export const inMemoryBytes = 4 * 1024 * 1024;

export class LocalInputs implements Disposable {
  readonly #chunks: Pick<ChunkService, "acquire" | "isLost">;
  readonly #held: { readonly release: () => void }[] = [];
  #isOver = false;
  #inMemoryLeft = inMemoryBytes;

  constructor(chunks: Pick<ChunkService, "acquire" | "isLost">) {
    this.#chunks = chunks;
  }

  /**
   * An input, fetched if it is not here, or why it cannot be had ever. Whether it is lost is asked only when it cannot be had
   * now: a look at the catalog for each input that is here would cost more than finding it.
   * @throws IDunnoError CHUNK_UNAVAILABLE
   */
  async add(
    input: ManifestInput,
    signal: AbortSignal,
  ): Promise<InputFile | "too_large" | "missing"> {
    if (input.tooLarge) return "too_large";
    const inMemory = this.#mayBeInMemory(input);
    try {
      const parts = await Promise.all(
        input.chunks.map(async (hash, i) => {
          const lease = await this.#chunks.acquire(hash, signal, { inMemory });
          // Another one failed meanwhile, and all were let go.
          if (this.#isOver) lease.release();
          else this.#held.push(lease);
          return { hash, bytes: partBytes(input, i), ...lease.place };
        }),
      );
      return { parts, bytes: input.bytes };
    } catch (error) {
      if (input.chunks.some((hash) => this.#chunks.isLost(hash))) return "missing";
      throw error;
    }
  }

  /** Counted as if it had to be fetched. */
  #mayBeInMemory({ chunks, bytes }: ManifestInput): boolean {
    if (chunks.length !== 1 || bytes > smallChunkBytes || bytes > this.#inMemoryLeft) return false;
    this.#inMemoryLeft -= bytes;
    return true;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const lease of this.#held.splice(0)) lease.release();
  }
}

/** All chunks but the last of a file have the full size. */
function partBytes(input: ManifestInput, i: number): number {
  const last = input.chunks.length - 1;
  return i < last ? chunkBytes : input.bytes - chunkBytes * last;
}
