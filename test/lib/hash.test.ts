import test from "ava";
import fc from "fast-check";
import { hash64, unitHash } from "../../src/lib/hash.ts";
import { toHex, writeHex } from "../../src/lib/hex.ts";
import { Heap } from "../../src/lib/heap.ts";
import { canonical } from "../../src/lib/canonical.ts";
import { pack } from "../../src/lib/msgpack.ts";
import { Type } from "../../src/lib/schema.ts";
import { holds } from "./property.ts";

test("the hash is frozen: logs and placements depend on it", (t) => {
  t.is(hash64(new Uint8Array()), "1388a0fbc9ba1606");
  t.is(hash64(Uint8Array.of(1, 2, 3)), "62ffaba3b126e0df");
  t.is(unitHash("chunk/store"), 0.8355024537923578);
});

test("100,000 requests that differ in little have hashes that differ", (t) => {
  const seen = new Set<string>();
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < 100_000; n += 1) {
    view.setUint32((n % 9) * 4, n);
    seen.add(hash64(bytes));
  }
  t.is(seen.size, 100_000);
});

test("every bit of the input changes about half of the hash's bits", (t) => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  const base = BigInt(`0x${hash64(bytes)}`);
  let changed = 0;
  for (let bit = 0; bit < 256; bit += 1) {
    const other = bytes.slice();
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const difference = (base ^ BigInt(`0x${hash64(other)}`)).toString(2);
    changed += difference.replaceAll("0", "").length;
  }
  // 256 × 64 fair coins: 8,192 give or take five standard deviations of 64.
  t.true(Math.abs(changed - 8_192) < 320, `${changed} bits changed`);
});

test("unit hashes of similar names are spread evenly", (t) => {
  const buckets = Array.from({ length: 16 }, () => 0);
  for (let n = 0; n < 16_000; n += 1) {
    const bucket = Math.floor(unitHash(`store${n}`) * 16);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  // 1,000 each; five standard deviations are 153.
  for (const count of buckets) t.true(Math.abs(count - 1_000) < 160, `${count}`);
});

test("hex is read back as written", (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const copy = new Uint8Array(bytes.length + 1);
      writeHex(toHex(bytes), copy, 1);
      t.deepEqual(copy.subarray(1), bytes);
    }),
    100,
  );
});

test("a heap gives its items back in order, whatever order they came in", (t) => {
  holds(
    t,
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (items) => {
      const heap = new Heap<number>((a, b) => a < b);
      for (const item of items) heap.push(item);
      const popped: (number | undefined)[] = [];
      while (heap.size > 0) popped.push(heap.pop());
      t.deepEqual(
        popped,
        items.toSorted((a, b) => a - b),
      );
      t.is(heap.pop(), undefined);
    }),
    200,
  );
});

test("canonical order is the schema's, at every depth, without undefined and unknown fields", (t) => {
  const order = canonical(
    Type.Object({
      a: Type.Number(),
      list: Type.Array(Type.Object({ x: Type.Number(), y: Type.Optional(Type.Number()) })),
      pair: Type.Tuple([Type.Number(), Type.Number()]),
    }),
  );
  const straight = { a: 1, list: [{ x: 1, y: 2 }, { x: 3 }], pair: [1, 2] };
  const crooked = {
    pair: [1, 2],
    extra: 9,
    list: [
      { y: 2, x: 1 },
      { y: undefined, x: 3 },
    ],
    a: 1,
  };
  t.deepEqual(pack(order(crooked)), pack(straight));
});
