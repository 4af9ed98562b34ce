/** Chunks of known content and folders that go away with their test. */
import { mkdtemp, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { ChunkHash } from "../../../src/lib/types.ts";

export interface Chunk {
  readonly hash: ChunkHash;
  readonly bytes: Uint8Array;
}

/** Hashed by another implementation than the one under test. */
export function chunkOf(content: Uint8Array | string): Chunk {
  const bytes = new Uint8Array(Buffer.from(content));
  return { hash: ChunkHash(createHash("sha256").update(bytes).digest("hex")), bytes };
}

/** Chunks whose hashes all begin with one digit, so that they lie in one folder. */
export function chunksIn(digit: string, count: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let n = 0; chunks.length < count; n += 1) {
    const chunk = chunkOf(`content ${n}`);
    if (chunk.hash.startsWith(digit)) chunks.push(chunk);
  }
  return chunks;
}

export async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-chunks-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "chunks");
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
