/** Cuts a stream into chunks, in constant memory: one chunk and one piece of the stream at a time. */
import { createHash, type Hash } from "node:crypto";
import { chunkBuffers } from "../../lib/content.ts";
import { ChunkHash } from "../../lib/types.ts";
import { maxChunkBytes } from "./hash.ts";

export interface CutChunk {
  readonly hash: ChunkHash;
  /** For this chunk alone. Of a large one: from {@link chunkBuffers}, to be given back there by who is done with it. */
  readonly bytes: Uint8Array;
}

/** What the buffer of a chunk starts with: most files are smaller than a chunk. What needs more gets a whole one. */
const firstBytes = 64 * 1024;

/** A part of a whole buffer that is no larger than this is copied out of it. */
const smallBytes = 256 * 1024;

/**
 * Pieces up to this size are hashed as they come: tens of microseconds each, and neither a copy of the chunk nor a turn
 * in the pool, which hashing it afterwards costs. A socket gives 64 KiB.
 */
const inlineBytes = 256 * 1024;

/**
 * The chunks of a stream, in order: all of 4 MiB but the last. An empty stream has none.
 * @param hash names a chunk by its bytes; asked when the pieces are too large to be hashed on the loop
 */
export async function* cutChunks(
  stream: AsyncIterable<Uint8Array>,
  hash: (bytes: Uint8Array) => Promise<ChunkHash>,
): AsyncGenerator<CutChunk> {
  let running: Hash | undefined = createHash("sha256");
  const named = async (bytes: Uint8Array): Promise<CutChunk> => {
    const name = running === undefined ? await hash(bytes) : ChunkHash(running.digest("hex"));
    running = createHash("sha256");
    return { hash: name, bytes };
  };
  let buffer: Uint8Array = new Uint8Array(firstBytes);
  let filled = 0;
  for await (const piece of stream) {
    let taken = 0;
    while (taken < piece.length) {
      const part = piece.subarray(taken, taken + maxChunkBytes - filled);
      buffer = withRoom(buffer, filled, part.length);
      buffer.set(part, filled);
      if (part.length > inlineBytes) running = undefined;
      else running?.update(part);
      filled += part.length;
      taken += part.length;
      if (filled < maxChunkBytes) continue;
      yield await named(buffer);
      buffer = chunkBuffers.take();
      filled = 0;
    }
  }
  if (filled === 0) chunkBuffers.give(buffer);
  else yield await named(fitting(buffer, filled));
}

/** What was filled of a buffer, alone where it is small. */
function fitting(buffer: Uint8Array, filled: number): Uint8Array {
  if (filled > smallBytes) return buffer.subarray(0, filled);
  const bytes = buffer.slice(0, filled);
  chunkBuffers.give(buffer);
  return bytes;
}

/** The same bytes in a buffer with room for more, at most a chunk's size. */
function withRoom(buffer: Uint8Array, filled: number, more: number): Uint8Array {
  if (filled + more <= buffer.length) return buffer;
  const grown = chunkBuffers.take();
  grown.set(buffer.subarray(0, filled));
  return grown;
}
