/** Cutting: the same chunks whatever the pieces of the stream. */
import test from "ava";
import fc from "fast-check";
import { chunkBuffers } from "../../../src/lib/content.ts";
import type { ChunkHash } from "../../../src/lib/types.ts";
import { cutChunks } from "../../../src/sdfs/chunks/cut.ts";
import { hashOf, maxChunkBytes } from "../../../src/sdfs/chunks/hash.ts";
import { IoSlots } from "../../../src/sdfs/chunks/io-slots.ts";
import { chunkOf, collect } from "./support.ts";

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length] ?? bytes.length;
    // The piece is overwritten once it was taken, as a reader with one buffer would do.
    const piece = bytes.slice(at, at + size);
    yield piece;
    piece.fill(0xee);
    at += size;
  }
}

function bytesOf(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 31 + (i >> 12)) & 0xff);
}

test("chunks of 4 MiB and a rest, the same for any pieces", async (t) => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1_000, max: 70_000 }), fc.constant(9_000_000)),
    { minLength: 1, maxLength: 5 },
  );
  const length = fc.constantFrom(
    0,
    1,
    65_536,
    65_537,
    maxChunkBytes - 1,
    maxChunkBytes,
    maxChunkBytes + 1,
    2 * maxChunkBytes,
    9_500_000,
  );
  await fc.assert(
    fc.asyncProperty(length, sizes, fc.boolean(), async (total, pieces, withSlots) => {
      const bytes = bytesOf(total);
      const io = new IoSlots(1);
      const inSlots = async (piece: Uint8Array): Promise<ChunkHash> =>
        io.runAlways(async () => hashOf(piece));
      const hash = withSlots ? inSlots : hashOf;
      const chunks = await collect(cutChunks(inPieces(bytes, pieces), hash));
      t.is(chunks.length, Math.ceil(total / maxChunkBytes));
      for (const [n, chunk] of chunks.entries()) {
        const expected = chunkOf(bytes.subarray(n * maxChunkBytes, (n + 1) * maxChunkBytes));
        t.is(chunk.hash, expected.hash);
        t.true(Buffer.from(chunk.bytes).equals(expected.bytes));
        const owned = chunk.bytes.buffer.byteLength;
        const isSmall = chunk.bytes.length <= 256 * 1024;
        t.is(owned, isSmall ? chunk.bytes.length : maxChunkBytes, "nothing small keeps much");
        chunkBuffers.give(chunk.bytes);
      }
    }),
    { numRuns: 12 },
  );
});

test("nothing of the stream is read before it is asked for, and leaving closes it", async (t) => {
  let read = 0;
  let closed = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        read += 1;
        yield new Uint8Array(1024 * 1024);
      }
    } finally {
      closed = true;
    }
  }
  for await (const { bytes } of cutChunks(endless(), hashOf)) {
    t.is(bytes.length, maxChunkBytes);
    break;
  }
  t.is(read, 4);
  t.true(closed);
});

test("what breaks the stream breaks the cutting", async (t) => {
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error("the client went away");
  }
  await t.throwsAsync(collect(cutChunks(breaking(), hashOf)), { message: "the client went away" });
});
