/** The name of a content is the same from a catalog's chunks and from a local file's bytes, however they are read. */
import { createHash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { chunkBytes } from "../../src/lib/content.ts";
import { ContentHasher, contentDigest } from "../../src/node/content.ts";
import { cutChunks } from "../../src/sdfs/chunks/cut.ts";
import { hashOf } from "../../src/sdfs/chunks/hash.ts";
import { contentOf } from "../client/fake-cluster.ts";

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test("chunks as the daemon cuts them and bytes as a client reads them have one digest", async (t) => {
  for (const size of [
    0,
    1,
    chunkBytes - 1,
    chunkBytes,
    chunkBytes + 1,
    2 * chunkBytes,
    9_000_000,
  ]) {
    const bytes = new Uint8Array(size).map((_, i) => i % 251);
    const chunks = [];
    for await (const chunk of cutChunks(whole(bytes), hashOf)) chunks.push(chunk);
    const hasher = new ContentHasher();
    hasher.update(bytes);
    const digest = hasher.digest();
    t.is(digest, contentDigest(chunks), `${size} bytes`);
    t.is(digest, contentOf(Buffer.from(bytes)), `${size} bytes`);
  }
});

test("an empty file's content is the hash of nothing", (t) => {
  t.is(new ContentHasher().digest(), createHash("sha256").digest("hex"));
});

test("how the bytes come does not matter, and their order does", (t) => {
  const bytes = new Uint8Array(chunkBytes + 100_000).map((_, i) => (i * 7) % 253);
  const expected = contentOf(Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const hasher = new ContentHasher();
      let from = 0;
      for (const to of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
        hasher.update(bytes.subarray(from, to));
        from = to;
      }
      t.is(hasher.digest(), expected);
    }),
    { numRuns: 10 },
  );
  const swapped = new ContentHasher();
  swapped.update(bytes.subarray(1));
  swapped.update(bytes.subarray(0, 1));
  t.not(swapped.digest(), expected);
});
