/** The inputs of one attempt as files on this machine, which stay until all of them are let go together. */
import { chunkBytes } from "../lib/content.ts";
import type { InputFile } from "../inference/types.ts";
import type { ManifestInput } from "../scheduler/manifest.ts";
import type { ChunkService } from "./chunk-service.ts";

export class LocalInputs implements Disposable {
  readonly #chunks: Pick<ChunkService, "acquire">;
  readonly #held: { readonly release: () => void }[] = [];

  constructor(chunks: Pick<ChunkService, "acquire">) {
    this.#chunks = chunks;
  }

  /** Fetches what is not here. @throws IDunnoError CHUNK_UNAVAILABLE */
  async add(input: ManifestInput, signal: AbortSignal): Promise<InputFile> {
    const parts = await Promise.all(
      input.chunks.map(async (hash, i) => {
        const lease = await this.#chunks.acquire(hash, signal);
        this.#held.push(lease);
        return { hash, path: lease.path, bytes: partBytes(input, i) };
      }),
    );
    return { parts, bytes: input.bytes };
  }

  [Symbol.dispose](): void {
    for (const lease of this.#held.splice(0)) lease.release();
  }
}

/** All chunks but the last of a file have the full size. */
function partBytes(input: ManifestInput, i: number): number {
  const last = input.chunks.length - 1;
  return i < last ? chunkBytes : input.bytes - chunkBytes * last;
}
