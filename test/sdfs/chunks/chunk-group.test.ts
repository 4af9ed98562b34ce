/** Groups of puts: each chunk durable when the group is, and no group can hold up another one. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { ChunkHash } from "../../../src/lib/types.ts";
import { ChunkStore } from "../../../src/sdfs/chunks/chunk-store.ts";
import { chunkOf, chunksIn, collect, scratch } from "./support.ts";

const options = { ioSlots: 4 };

test("a group is stored whole, each chunk once, also when groups overlap", async (t) => {
  const directory = await scratch(t);
  const chunks = Array.from({ length: 40 }, (_, n) => chunkOf(`group ${n}`));
  const [first] = chunks;
  {
    await using store = await ChunkStore.open(directory, options);
    await Promise.all([
      store.putMany(chunks.slice(0, 30)),
      store.putMany(chunks.slice(10).toReversed()),
      store.putMany([...chunks.slice(0, 5), ...chunks.slice(0, 5)]),
      store.put(first?.hash ?? ChunkHash(""), first?.bytes ?? new Uint8Array()),
    ]);
    for (const { hash } of chunks) t.true(await store.has(hash));
    t.deepEqual(await readdir(join(directory, "tmp")), []);
    await store.putMany([]);
  }
  await using store = await ChunkStore.open(directory, options);
  for (const { hash, bytes } of chunks)
    t.true(Buffer.from((await store.get(hash)) ?? "?").equals(bytes));
});

test("one wrong chunk refuses its group, before any of it is written", async (t) => {
  await using store = await ChunkStore.open(await scratch(t), options);
  const [good, other] = [chunkOf("good"), chunkOf("other")];
  const group = [good, { hash: other.hash, bytes: chunkOf("wrong").bytes }];
  await t.throwsAsync(store.putMany(group), { code: "MALFORMED" });
  t.deepEqual(await collect(store.list()), []);
  await store.putMany([good, other]);
  t.true(await store.has(other.hash));
});

test("a group whose write fails says so, keeps no promise for that chunk and blocks nobody", async (t) => {
  const directory = await scratch(t);
  await using store = await ChunkStore.open(directory, options);
  const [bad] = chunksIn("7", 1);
  const good = chunksIn("8", 2);
  if (bad === undefined) throw new Error("unreachable: one was asked for");
  // A folder in the place of the file: the rename cannot succeed.
  await mkdir(store.path(bad.hash));
  await writeFile(join(store.path(bad.hash), "x"), "x");
  await t.throwsAsync(store.putMany([bad, ...good]), { code: "STORAGE_FAILED" });
  await rm(store.path(bad.hash), { recursive: true });
  await store.putMany([bad, ...good]);
  for (const { hash } of [bad, ...good]) t.true(await store.has(hash));
});
