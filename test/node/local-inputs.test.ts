/** An attempt's inputs: files that are kept until it ends, or the reason why there is none and never will be. */
import test from "ava";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { type ChunkHash, FileVersion } from "../../src/lib/types.ts";
import { inMemoryBytes, LocalInputs } from "../../src/node/local-inputs.ts";
import { smallChunkBytes } from "../../src/sdfs/chunks/small-chunks.ts";
import { hashOf } from "../machine/fixtures.ts";

const { signal } = new AbortController();
const [here, away, lost] = [hashOf(1), hashOf(2), hashOf(3)];
const inputOf = (...chunks: ChunkHash[]) => ({
  path: "a",
  version: FileVersion(1),
  bytes: 1,
  chunks,
  tooLarge: false,
});

/** Chunks of which one is here, one on a node that does not answer, and one on no node. */
class FakeChunks {
  readonly asked: ChunkHash[] = [];
  readonly held = new Set<ChunkHash>();
  readonly inMemory: boolean[] = [];

  async acquire(hash: ChunkHash, _: AbortSignal, options: { readonly inMemory?: boolean } = {}) {
    this.inMemory.push(options.inMemory === true);
    if (hash !== here) throw new IDunnoError("CHUNK_UNAVAILABLE", { hash, tried: [] });
    // As a file is found: later than what fails at once.
    await new Promise(setImmediate);
    this.held.add(hash);
    return { place: { path: `chunks/${hash}` }, release: () => void this.held.delete(hash) };
  }

  isLost(hash: ChunkHash): boolean {
    this.asked.push(hash);
    return hash === lost;
  }
}

test("what is here is a file until all are let go, and nobody asks whether it is lost", async (t) => {
  const chunks = new FakeChunks();
  {
    using local = new LocalInputs(chunks);
    const file = await local.add(inputOf(here), signal);
    t.deepEqual(file, { parts: [{ hash: here, path: `chunks/${here}`, bytes: 1 }], bytes: 1 });
    t.deepEqual([...chunks.held], [here]);
  }
  t.is(chunks.held.size, 0);
  t.deepEqual(chunks.asked, []);
});

test("what no node has is missing; what a node may have again is waited for", async (t) => {
  using local = new LocalInputs(new FakeChunks());
  t.is(await local.add(inputOf(lost), signal), "missing");
  t.is(await local.add({ ...inputOf(), tooLarge: true }, signal), "too_large");
  const error = await t.throwsAsync(local.add(inputOf(away), signal));
  t.true(hasCode(error, "CHUNK_UNAVAILABLE"));
});

test("what is found after the attempt has failed is let go at once", async (t) => {
  const chunks = new FakeChunks();
  const late: Promise<unknown>[] = [];
  const attempt = async (): Promise<void> => {
    using local = new LocalInputs(chunks);
    late.push(local.add(inputOf(here), signal));
    await local.add(inputOf(away), signal);
  };
  await t.throwsAsync(attempt());
  await Promise.all(late);
  t.is(chunks.held.size, 0);
});

test("small inputs may be in memory, up to some bytes of an attempt; others are files", async (t) => {
  const chunks = new FakeChunks();
  using local = new LocalInputs(chunks);
  const input = { ...inputOf(here), bytes: smallChunkBytes };
  await local.add({ ...input, bytes: smallChunkBytes + 1 }, signal);
  await local.add({ ...input, chunks: [here, here] }, signal);
  t.deepEqual(chunks.inMemory.splice(0), [false, false, false]);
  const count = inMemoryBytes / smallChunkBytes;
  for (let i = 0; i <= count; i += 1) await local.add(input, signal);
  t.deepEqual(
    chunks.inMemory,
    Array.from({ length: count + 1 }, (_, i) => i < count),
  );
});
