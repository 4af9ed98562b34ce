/** The cache keeps within its bytes, never takes away what is in use, and never serves what is not what it says. */
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import type { ChunkHash } from "../../../src/lib/types.ts";
import { ChunkCache } from "../../../src/sdfs/chunks/chunk-cache.ts";
import { IoSlots } from "../../../src/sdfs/chunks/io-slots.ts";
import { type Chunk, chunkOf, scratch } from "./support.ts";

const io = new IoSlots(4);
/** Chunks of ten bytes each. */
const chunks = Array.from({ length: 8 }, (_, n) => chunkOf(`content ${n}!`));
const [one, two, three, four] = chunks as [Chunk, Chunk, Chunk, Chunk];

/** Fetches, and remembers what was asked for. */
class Origin {
  readonly fetched: ChunkHash[] = [];

  fetch({ hash, bytes }: Chunk): () => Promise<Uint8Array> {
    return async () => {
      this.fetched.push(hash);
      return bytes;
    };
  }
}

async function use(cache: ChunkCache, origin: Origin, chunk: Chunk): Promise<Buffer> {
  using lease = await cache.acquire(chunk.hash, origin.fetch(chunk));
  return await readFile(lease.path);
}

test("a chunk is fetched once, then found, also by the next process", async (t) => {
  const directory = await scratch(t);
  const origin = new Origin();
  for (const _process of [1, 2]) {
    await using cache = await ChunkCache.open(directory, { maxBytes: 100, io });
    for (const _use of [1, 2]) {
      for (const chunk of [one, two]) t.true((await use(cache, origin, chunk)).equals(chunk.bytes));
    }
    t.is(cache.bytes, 20);
  }
  t.deepEqual(origin.fetched, [one.hash, two.hash]);
});

test("concurrent uses share one fetch", async (t) => {
  const origin = new Origin();
  await using cache = await ChunkCache.open(await scratch(t), { maxBytes: 100, io });
  const leases = await Promise.all(
    Array.from({ length: 10 }, () => cache.acquire(one.hash, origin.fetch(one))),
  );
  t.is(origin.fetched.length, 1);
  t.is(new Set(leases.map(({ path }) => path)).size, 1);
});

test("a failed fetch fails all who share it, and the next one tries again", async (t) => {
  const origin = new Origin();
  await using cache = await ChunkCache.open(await scratch(t), { maxBytes: 100, io });
  const failing = Array.from({ length: 3 }, () =>
    cache.acquire(one.hash, () => Promise.reject(new Error("no replica"))),
  );
  for (const outcome of await Promise.allSettled(failing)) t.is(outcome.status, "rejected");
  t.is(cache.bytes, 0);
  t.false(cache.has(one.hash));
  t.true((await use(cache, origin, one)).equals(one.bytes));
  t.true(cache.has(one.hash));
});

test("what was used longest ago gives way, what is in use stays", async (t) => {
  const directory = await scratch(t);
  const origin = new Origin();
  await using cache = await ChunkCache.open(directory, { maxBytes: 30, io });
  const held = await cache.acquire(one.hash, origin.fetch(one));
  await use(cache, origin, two);
  await use(cache, origin, three);
  await use(cache, origin, two);
  await use(cache, origin, four); // three goes: one is older, but held
  t.is(cache.bytes, 30);
  t.true((await readFile(held.path)).equals(one.bytes));
  await use(cache, origin, two);
  t.deepEqual(
    origin.fetched,
    [one, two, three, four].map(({ hash }) => hash),
  );
  await use(cache, origin, three);
  t.is(origin.fetched.length, 5);
});

test("when all is in use there is no room, until something is released", async (t) => {
  const origin = new Origin();
  await using cache = await ChunkCache.open(await scratch(t), { maxBytes: 20, io });
  const [first] = await Promise.all([one, two].map((c) => cache.acquire(c.hash, origin.fetch(c))));
  await t.throwsAsync(cache.acquire(three.hash, origin.fetch(three)), { code: "BUSY" });
  t.is(cache.bytes, 20);
  first?.release();
  first?.release();
  t.true((await use(cache, origin, three)).equals(three.bytes));
  await t.throwsAsync(
    Promise.all([three, four].map((c) => cache.acquire(c.hash, origin.fetch(c)))),
    { code: "BUSY" },
    "two is held still: a lease released twice counted once",
  );
});

test("what an earlier process left torn is fetched anew, what is too much goes, oldest first", async (t) => {
  const directory = await scratch(t);
  const origin = new Origin();
  const fileOf = (chunk: Chunk): string => join(directory, chunk.hash.charAt(0), chunk.hash);
  {
    await using cache = await ChunkCache.open(directory, { maxBytes: 100, io });
    for (const chunk of [one, two, three]) await use(cache, origin, chunk);
  }
  await writeFile(fileOf(two), new Uint8Array(10)); // the right size, after a power cut
  for (const [n, chunk] of [two, three, one].entries()) await utimes(fileOf(chunk), n + 1, n + 1);
  {
    await using cache = await ChunkCache.open(directory, { maxBytes: 25, io });
    t.is(cache.bytes, 20);
    t.true((await use(cache, origin, three)).equals(three.bytes));
    t.true((await use(cache, origin, one)).equals(one.bytes));
    t.is(origin.fetched.length, 3, "two was the oldest");
  }
  await writeFile(fileOf(one), new Uint8Array(10));
  await using cache = await ChunkCache.open(directory, { maxBytes: 25, io });
  t.true((await use(cache, origin, one)).equals(one.bytes));
  t.is(origin.fetched.length, 4);
  t.is(cache.bytes, 20);
});

test("under any mix of uses the limit holds, leases hold, and contents are right", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ chunk: fc.nat(chunks.length - 1), fails: fc.boolean(), turns: fc.nat(5) }),
        { maxLength: 60 },
      ),
      async (uses) => {
        const directory = await scratch(t);
        await using cache = await ChunkCache.open(directory, { maxBytes: 30, io });
        const outcomes = await Promise.allSettled(
          uses.map(async ({ chunk, fails, turns }) => {
            const { hash, bytes } = chunks[chunk]!;
            for (let n = 0; n < turns; n += 1) await new Promise(setImmediate);
            using lease = await cache.acquire(hash, async () => {
              if (fails) throw new RangeError("no replica");
              return bytes;
            });
            for (let n = 0; n < turns; n += 1) await new Promise(setImmediate);
            t.true((await readFile(lease.path)).equals(bytes));
          }),
        );
        for (const outcome of outcomes) {
          if (outcome.status === "fulfilled") continue;
          const { code, name } = outcome.reason as { code?: string; name: string };
          t.true(code === "BUSY" || name === "RangeError", String(outcome.reason));
        }
        await cache.close();
        t.true(cache.bytes <= 30);
        const folders = (await readdir(directory)).filter((name) => name.length === 1);
        const files = await Promise.all(folders.map((name) => readdir(join(directory, name))));
        t.is(files.flat().length * 10, cache.bytes);
      },
    ),
    { numRuns: 25 },
  );
});
