/** Cuts a stream into chunks, in constant memory: one chunk and one piece of the stream at a time. */
import type { ChunkHash } from "../../lib/types.ts";
import { maxChunkBytes } from "./hash.ts";

export interface CutChunk {
  readonly hash: ChunkHash;
  /** Allocated for this chunk alone. */
  readonly bytes: Uint8Array;
}

/** What the buffer of a chunk starts with: most files are smaller than a chunk. It doubles; after a whole chunk the next starts whole. */
const firstBytes = 64 * 1024;

/**
 * The chunks of a stream, in order: all of 4 MiB but the last. An empty stream has none.
 * @param hash names a chunk by its bytes
 */
export async function* cutChunks(
  stream: AsyncIterable<Uint8Array>,
  hash: (bytes: Uint8Array) => Promise<ChunkHash>,
): AsyncGenerator<CutChunk> {
  const named = async (bytes: Uint8Array): Promise<CutChunk> => ({
    hash: await hash(bytes),
    bytes,
  });
  let buffer = new Uint8Array(firstBytes);
  let filled = 0;
  for await (const piece of stream) {
    let taken = 0;
    while (taken < piece.length) {
      const part = piece.subarray(taken, taken + maxChunkBytes - filled);
      buffer = withRoom(buffer, filled, part.length);
      buffer.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < maxChunkBytes) continue;
      yield await named(buffer);
      buffer = new Uint8Array(maxChunkBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield await named(buffer.slice(0, filled));
}

/** The same bytes in a buffer with room for more, at most a chunk's size. */
function withRoom(
  buffer: Uint8Array<ArrayBuffer>,
  filled: number,
  more: number,
): Uint8Array<ArrayBuffer> {
  if (filled + more <= buffer.length) return buffer;
  const grown = new Uint8Array(Math.min(maxChunkBytes, Math.max(buffer.length * 2, filled + more)));
  grown.set(buffer.subarray(0, filled));
  return grown;
}
