/** What the chunk store promises: "have it" is said of verified, durable copies only, and damage is found and told. */
import { cp, mkdir, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { ChunkHash } from "../../../src/lib/types.ts";
import { ChunkStore } from "../../../src/sdfs/chunks/chunk-store.ts";
import { maxChunkBytes } from "../../../src/sdfs/chunks/hash.ts";
import { chunkOf, chunksIn, collect, scratch } from "./support.ts";

const options = { ioSlots: 4 };

test("a chunk comes back as it was put, also from the next process", async (t) => {
  const directory = await scratch(t);
  const chunks = ["", "a", "bc"].map(chunkOf);
  const big = chunkOf(new Uint8Array(maxChunkBytes).fill(7));
  {
    await using store = await ChunkStore.open(directory, options);
    for (const { hash, bytes } of [...chunks, big]) {
      t.false(await store.has(hash));
      for (const isSmall of [false, true]) t.is(await store.get(hash, { isSmall }), undefined);
      t.is(await store.size(hash), undefined);
      await store.put(hash, bytes);
      t.true(await store.has(hash));
    }
  }
  await using store = await ChunkStore.open(directory, options);
  for (const { hash, bytes } of [...chunks, big]) {
    t.is(await store.size(hash), bytes.length);
    t.true(await store.has(hash));
    for (const isSmall of [false, true])
      t.true(Buffer.from((await store.get(hash, { isSmall })) ?? "?").equals(bytes));
    t.true((await readFile(store.path(hash))).equals(bytes));
  }
  t.deepEqual(
    (await collect(store.list())).toSorted(),
    [...chunks, big].map(({ hash }) => hash).toSorted(),
  );
});

test("the folder's id stays with it; a wiped folder is another store", async (t) => {
  const directory = await scratch(t);
  const ids: string[] = [];
  for (const wipe of [false, false, true]) {
    if (wipe) await rm(directory, { recursive: true });
    await using store = await ChunkStore.open(directory, options);
    ids.push(store.id);
  }
  t.is(ids[0], ids[1]);
  t.not(ids[1], ids[2]);
  await writeFile(join(directory, "id"), "garbage");
  await t.throwsAsync(ChunkStore.open(directory, options), { code: "CORRUPT" });
});

test("bytes that are not what their hash says are refused, and leave nothing behind", async (t) => {
  const directory = await scratch(t);
  await using store = await ChunkStore.open(directory, options);
  const { hash, bytes } = chunkOf("right");
  const wrong = store.put(hash, chunkOf("wrong").bytes);
  // A right put at the same time is not taken down with it.
  const right = store.put(hash, bytes);
  await t.throwsAsync(wrong, { code: "MALFORMED" });
  await right;
  await t.throwsAsync(store.put(hash, chunkOf("wrong").bytes), { code: "MALFORMED" });
  const large = new Uint8Array(maxChunkBytes + 1);
  await t.throwsAsync(store.put(chunkOf(large).hash, large), { code: "TOO_LARGE" });
  t.deepEqual(await collect(store.list()), [hash]);
  t.deepEqual(await readdir(join(directory, "tmp")), []);
});

test("what is no hash is no path", async (t) => {
  await using store = await ChunkStore.open(await scratch(t), options);
  for (const name of ["", "../id", `${"a".repeat(63)}G`, `${"a".repeat(64)}/`, "A".repeat(64)]) {
    const hash = ChunkHash(name);
    t.throws(() => store.path(hash), { code: "MALFORMED" });
    for (const use of [
      () => store.has(hash),
      () => store.get(hash),
      () => store.put(hash, new Uint8Array()),
      () => store.delete(hash),
    ]) {
      await t.throwsAsync(use, { code: "MALFORMED" });
    }
  }
});

test("what was being written when the process died is thrown away", async (t) => {
  const directory = await scratch(t);
  const { hash, bytes } = chunkOf("torn");
  await (await ChunkStore.open(directory, options)).close();
  await writeFile(join(directory, "tmp", `1-${hash}`), bytes.subarray(0, 2));
  await writeFile(join(directory, hash.charAt(0), "not-a-chunk"), "?");
  await using store = await ChunkStore.open(directory, options);
  t.deepEqual(await readdir(join(directory, "tmp")), []);
  t.false(await store.has(hash));
  t.deepEqual(await collect(store.list()), []);
  await store.put(hash, bytes);
  t.true(await store.has(hash));
});

for (const [damage, how] of [
  ["a flipped bit", (path: string) => flip(path)],
  ["a cut tail", (path: string) => truncate(path, 3)],
  ["a grown tail", (path: string) => truncate(path, maxChunkBytes + 10)],
] as const) {
  test(`${damage} is found by get, told, set aside, and mended by the next put`, async (t) => {
    const directory = await scratch(t);
    const damaged: ChunkHash[] = [];
    await using store = await ChunkStore.open(directory, {
      ...options,
      onDamage: (hash) => damaged.push(hash),
    });
    const { hash, bytes } = chunkOf("precious");
    await store.put(hash, bytes);
    await how(store.path(hash));
    const both = [{ isSmall: true }, { isSmall: false }];
    const answers = await Promise.all(both.map((size) => store.get(hash, size)));
    t.deepEqual(answers, [undefined, undefined]);
    t.deepEqual(damaged, [hash], "told once");
    t.false(await store.has(hash));
    t.deepEqual(await readdir(join(directory, "bad")), [hash]);
    await store.put(hash, bytes);
    t.deepEqual(await store.get(hash), bytes);
  });

  test(`${damage} from before this process is found by the first has`, async (t) => {
    const directory = await scratch(t);
    const { hash, bytes } = chunkOf("precious");
    {
      await using store = await ChunkStore.open(directory, options);
      await store.put(hash, bytes);
      await how(store.path(hash));
    }
    const damaged: ChunkHash[] = [];
    const onDamage = (bad: ChunkHash): number => damaged.push(bad);
    await using store = await ChunkStore.open(directory, { ...options, onDamage });
    t.false(await store.has(hash));
    t.deepEqual(damaged, [hash]);
  });
}

async function flip(path: string): Promise<void> {
  const file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 4);
  await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, 4);
  await file.close();
}

test("a copy that vanished is damage, too", async (t) => {
  const damaged: ChunkHash[] = [];
  await using store = await ChunkStore.open(await scratch(t), {
    ...options,
    onDamage: (hash) => damaged.push(hash),
  });
  const { hash, bytes } = chunkOf("gone");
  t.is(await store.get(hash), undefined);
  await store.put(hash, bytes);
  await rm(store.path(hash));
  t.is(await store.get(hash), undefined);
  t.false(await store.has(hash));
  t.deepEqual(damaged, [hash]);
});

test("no more than so many damaged files are kept", async (t) => {
  const directory = await scratch(t);
  await mkdir(join(directory, "bad"), { recursive: true });
  for (let n = 0; n < 64; n += 1) await writeFile(join(directory, "bad", `old-${n}`), "");
  await using store = await ChunkStore.open(directory, options);
  const { hash, bytes } = chunkOf("one too many");
  await store.put(hash, bytes);
  await flip(store.path(hash));
  t.is(await store.get(hash), undefined);
  t.is((await readdir(join(directory, "bad"))).length, 64);
  t.is(await store.size(hash), undefined);
});

test("puts and deletes of one chunk take effect in the order of their calls", async (t) => {
  await using store = await ChunkStore.open(await scratch(t), options);
  const { hash, bytes } = chunkOf("now you see me");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("put", "delete", "has"), { minLength: 1, maxLength: 12 }),
      async (calls) => {
        const done = calls.map((call) =>
          call === "put" ? store.put(hash, bytes) : store[call as "delete" | "has"](hash),
        );
        await Promise.all(done);
        // A put first hashes, so a delete called after it may come before it: only what ends alone is sure.
        if (!calls.includes("delete")) t.is(await store.has(hash), calls.includes("put"));
        await store.put(hash, bytes);
        t.true(await store.has(hash));
        t.deepEqual(await store.get(hash), bytes);
        await store.delete(hash);
        t.false(await store.has(hash));
      },
    ),
    { numRuns: 40 },
  );
});

test("a put called after a delete never rests on what that delete removes", async (t) => {
  await using store = await ChunkStore.open(await scratch(t), options);
  for (let round = 0; round < 20; round += 1) {
    const { hash, bytes } = chunkOf(`round ${round}`);
    const first = store.put(hash, bytes);
    // Written and perhaps not yet synced: the delete has to wait for it, and the second put finds it under way.
    while ((await store.size(hash)) === undefined);
    await Promise.all([first, store.delete(hash), store.put(hash, bytes)]);
    t.deepEqual(await store.get(hash), bytes);
    t.true(await store.has(hash));
  }
});

test.serial(
  "concurrent puts share the write of one chunk and the directory syncs of many",
  async (t) => {
    const directory = await scratch(t);
    await using store = await ChunkStore.open(directory, options);
    const chunks = chunksIn("a", 24);
    const probe = await open(directory, "r");
    const prototype = Object.getPrototypeOf(probe) as { sync: (this: unknown) => Promise<void> };
    await probe.close();
    const { sync } = prototype;
    let syncs = 0;
    prototype.sync = function counted() {
      syncs += 1;
      return sync.call(this);
    };
    try {
      await Promise.all(
        chunks.flatMap(({ hash, bytes }) => [1, 2, 3].map(() => store.put(hash, bytes))),
      );
    } finally {
      prototype.sync = sync;
    }
    t.true(syncs > chunks.length, "each file, and the directory at least once");
    t.true(syncs < chunks.length * 2, "not the directory for each file");
    for (const { hash } of chunks) t.true(await store.has(hash));
    t.is((await collect(store.list())).length, chunks.length);
  },
);

test.serial("after a directory sync failed the store promises nothing any more", async (t) => {
  const directory = await scratch(t);
  await using store = await ChunkStore.open(directory, options);
  const [good, bad] = [chunkOf("good"), chunkOf("bad")];
  await store.put(good.hash, good.bytes);
  const probe = await open(directory, "r");
  const prototype = Object.getPrototypeOf(probe) as { sync: (this: unknown) => Promise<void> };
  await probe.close();
  const { sync } = prototype;
  let syncs = 0;
  // The first is the file's, the second the directory's.
  prototype.sync = function failing() {
    syncs += 1;
    return syncs === 2 ? Promise.reject(new Error("EIO")) : sync.call(this);
  };
  try {
    await t.throwsAsync(store.put(bad.hash, bad.bytes), { code: "STORAGE_FAILED" });
  } finally {
    prototype.sync = sync;
  }
  await t.throwsAsync(store.has(bad.hash), { code: "STORAGE_FAILED" });
  await t.throwsAsync(store.has(good.hash), { code: "STORAGE_FAILED" });
});

test("a failed file write is told and leaves the store usable", async (t) => {
  const directory = await scratch(t);
  await using store = await ChunkStore.open(directory, options);
  const { hash, bytes } = chunkOf("x");
  await rm(join(directory, "tmp"), { recursive: true });
  await t.throwsAsync(store.put(hash, bytes), { code: "STORAGE_FAILED" });
  await mkdir(join(directory, "tmp"));
  await store.put(hash, bytes);
  t.true(await store.has(hash));
});

test("a copied folder opens as the same store: identity is in the folder, not in its place", async (t) => {
  const [directory, copy] = [await scratch(t), await scratch(t)];
  const { hash, bytes } = chunkOf("moved");
  await using store = await ChunkStore.open(directory, options);
  await store.put(hash, bytes);
  await cp(directory, copy, { recursive: true });
  await using moved = await ChunkStore.open(copy, options);
  t.is(moved.id, store.id);
  t.true(await moved.has(hash));
});

test("too much waiting is BUSY, not memory", async (t) => {
  await using store = await ChunkStore.open(await scratch(t), { ioSlots: 1 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 400 }, (_, n) => store.size(chunkOf(`${n}`).hash)),
  );
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  t.is(refused.length, 400 - 256 - 1);
  t.true(refused.every(({ reason }) => (reason as { code: string }).code === "BUSY"));
  t.true((await store.freeBytes()) > 0);
});

test("closing waits for what is under way and refuses the rest", async (t) => {
  const directory = await scratch(t);
  const store = await ChunkStore.open(directory, options);
  const { hash, bytes } = chunkOf("last");
  const put = store.put(hash, bytes);
  const outcome = put.then(
    () => "stored",
    (error: { code: string }) => error.code,
  );
  await Promise.all([store.close(), store.close()]);
  await t.throwsAsync(store.put(hash, bytes), { code: "CLOSED" });
  t.throws(() => store.list(), { code: "CLOSED" });
  t.true(["stored", "CLOSED"].includes(await outcome));
});
