/** Where a chunk is found: without a look at the disk when this process has verified it. */
import { rm } from "node:fs/promises";
import test from "ava";
import { ChunkStore } from "../../../src/sdfs/chunks/chunk-store.ts";
import { chunkOf, scratch } from "./support.ts";

const options = { ioSlots: 4 };

test("what was verified is not looked for again, until somebody finds it gone", async (t) => {
  const directory = await scratch(t);
  const { hash, bytes } = chunkOf("found");
  {
    await using store = await ChunkStore.open(directory, options);
    t.is(await store.find(hash), undefined);
    t.is(store.known(hash), undefined);
    await store.put(hash, bytes);
    t.is(store.known(hash), store.path(hash));
    await rm(store.path(hash));
    t.is(await store.find(hash), store.path(hash), "its reader will see");
    t.is(await store.get(hash), undefined);
    t.is(await store.find(hash), undefined);
    await store.put(hash, bytes);
    await store.delete(hash, async () => true);
    t.is(await store.find(hash), undefined);
    await store.put(hash, bytes);
  }
  await using store = await ChunkStore.open(directory, options);
  t.is(store.known(hash), undefined, "not by this process");
  t.is(await store.find(hash), store.path(hash), "what an earlier process stored");
});
