/** Small chunks in memory: within their bytes, whatever is kept, found and dropped. */
import test from "ava";
import { SmallChunks } from "../../../src/sdfs/chunks/small-chunks.ts";
import { chunkOf } from "./support.ts";

const [a, b, c] = ["aaaa", "bbbb", "cccc"].map((text) => chunkOf(text));

test("what was used longest ago gives way, and every byte is counted once", (t) => {
  const chunks = new SmallChunks(8);
  for (const each of [a, b, a]) chunks.keep(each!.hash, each!.bytes);
  t.is(chunks.bytes, 8);
  t.is(chunks.get(a!.hash), a!.bytes);
  chunks.get(b!.hash);
  chunks.keep(c!.hash, c!.bytes);
  t.is(chunks.get(a!.hash), undefined);
  t.is(chunks.get(b!.hash), b!.bytes);
  chunks.drop(b!.hash);
  chunks.drop(b!.hash);
  t.is(chunks.bytes, 4);
  t.is(chunks.get(b!.hash), undefined);
});

test("a chunk larger than all of it is not kept", (t) => {
  const chunks = new SmallChunks(3);
  chunks.keep(a!.hash, a!.bytes);
  t.is(chunks.get(a!.hash), undefined);
  t.is(chunks.bytes, 0);
});
