/** Bulk puts: bounded batches, each chunk once and on the stores it belongs on, and a lost store made up for. */
import test from "ava";
import { chunkBytes, type UploadedChunk } from "../../src/lib/content.ts";
import { type ChunkHash, StoreId } from "../../src/lib/types.ts";
import { batchChunks, type BulkItem, spread, uploadMany } from "../../src/node/bulk.ts";
import type { StoredChunk } from "../../src/sdfs/chunks/chunk-store.ts";
import { chunkOf } from "../sdfs/chunks/support.ts";

const never = new AbortController().signal;

async function* items(...contents: readonly (string | Uint8Array)[]): AsyncGenerator<BulkItem> {
  for (const [i, content] of contents.entries())
    yield { path: `f${i}`, content: new Uint8Array(Buffer.from(content)), ifVersion: undefined };
}

/** Takes everything, and remembers what came together. */
class Taker {
  readonly batches: (readonly StoredChunk[])[] = [];
  readonly hash = async (bytes: Uint8Array): Promise<ChunkHash> => chunkOf(bytes).hash;
  readonly replicateMany = async (chunks: readonly StoredChunk[]): Promise<UploadedChunk[]> => {
    this.batches.push(chunks);
    return chunks.map(({ hash, bytes }) => ({
      hash,
      bytes: bytes.length,
      replicas: [{ store: "s", index: 1 }],
    }));
  };
}

test("files keep their order and content; equal ones share a chunk and empty ones have none", async (t) => {
  const taker = new Taker();
  const uploads = await uploadMany(items("a", "", "b", "a"), taker, never);
  t.deepEqual(
    uploads.map(({ path, bytes, chunks }) => [path, bytes, chunks.map(({ hash }) => hash)]),
    [
      ["f0", 1, [chunkOf("a").hash]],
      ["f1", 0, []],
      ["f2", 1, [chunkOf("b").hash]],
      ["f3", 1, [chunkOf("a").hash]],
    ],
  );
  t.deepEqual(
    taker.batches.map((batch) => batch.length),
    [2],
  );
});

test("a batch has at most a chunk's bytes, which fit a frame, and a bounded number of chunks", async (t) => {
  const taker = new Taker();
  const large = [1, 2, 3].map((n) => new Uint8Array(chunkBytes / 2).fill(n));
  await uploadMany(items(...large, new Uint8Array(chunkBytes).fill(4)), taker, never);
  t.deepEqual(
    taker.batches.map((batch) => batch.length),
    [2, 1, 1],
  );
  taker.batches.length = 0;
  const small = Array.from({ length: batchChunks * 2 + 1 }, (_, n) => String(n));
  await uploadMany(items(...small), taker, never);
  t.deepEqual(
    taker.batches.map((batch) => batch.length),
    [batchChunks, batchChunks, 1],
  );
});

test("no more than two batches are on their way while the next one gathers", async (t) => {
  let [running, most] = [0, 0];
  const taker = new Taker();
  const slow = async (chunks: readonly StoredChunk[]): Promise<UploadedChunk[]> => {
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    return taker.replicateMany(chunks);
  };
  const contents = Array.from({ length: 6 }, (_, n) => new Uint8Array(chunkBytes).fill(n));
  await uploadMany(items(...contents), { hash: taker.hash, replicateMany: slow }, never);
  t.is(most, 2);
  t.is(taker.batches.length, 6);
});

test("a path that SDFS does not take is refused before anything is sent", async (t) => {
  const taker = new Taker();
  async function* bad(): AsyncGenerator<BulkItem> {
    yield { path: "a/../b", content: new Uint8Array(1), ifVersion: undefined };
  }
  await t.throwsAsync(uploadMany(bad(), taker, never), { code: "INVALID", message: /a\/\.\.\/b/ });
  t.is(taker.batches.length, 0);
});

const [s1, s2, s3] = [StoreId("s1"), StoreId("s2"), StoreId("s3")];

test("each store gets what belongs on it in one request, and its own acknowledgement counts", async (t) => {
  const [a, b] = [chunkOf("a"), chunkOf("b")];
  const sent = new Map<StoreId, readonly ChunkHash[]>();
  const uploaded = await spread([a, b], {
    targets: (hash) => (hash === a.hash ? [s1, s2] : [s2, s3]),
    put: async (store, part) => {
      t.false(sent.has(store));
      sent.set(
        store,
        part.map(({ hash }) => hash),
      );
      return store === s2 ? 7 : 5;
    },
    replicate: async () => t.fail() as never,
  });
  t.deepEqual(
    [...sent],
    [
      [s1, [a.hash]],
      [s2, [a.hash, b.hash]],
      [s3, [b.hash]],
    ],
  );
  t.deepEqual(
    uploaded.map(({ hash, replicas }) => [hash, replicas]),
    [
      [
        a.hash,
        [
          { store: s1, index: 5 },
          { store: s2, index: 7 },
        ],
      ],
      [
        b.hash,
        [
          { store: s2, index: 7 },
          { store: s3, index: 5 },
        ],
      ],
    ],
  );
});

test("a chunk that a store did not take is sent by itself, the others are not", async (t) => {
  const [a, b] = [chunkOf("a"), chunkOf("b")];
  const alone: ChunkHash[] = [];
  const uploaded = await spread([a, b], {
    targets: (hash) => (hash === a.hash ? [s1, s2] : [s1, s3]),
    put: async (store) => (store === s2 ? undefined : 1),
    replicate: async ({ hash, bytes }) => {
      alone.push(hash);
      const replicas = [
        { store: s1, index: 2 },
        { store: s3, index: 2 },
      ];
      return { hash, bytes: bytes.length, replicas };
    },
  });
  t.deepEqual(alone, [a.hash]);
  t.deepEqual(
    uploaded.map(({ replicas }) => replicas.map(({ store }) => store)),
    [
      [s1, s3],
      [s1, s3],
    ],
  );
});
