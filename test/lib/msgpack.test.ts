/** The one door to msgpackr: what goes in comes out, and whatever bytes a peer sends, a value or MALFORMED. */
import test from "ava";
import fc from "fast-check";
import { pack, unpack } from "../../src/lib/msgpack.ts";
import { decodesOrIsMalformed } from "./damage.ts";
import { holds } from "./property.ts";

const leaf = fc.oneof(
  // Or null, which MessagePack has.
  fc.option(fc.boolean()),
  fc.maxSafeInteger(),
  // A whole number is written as an integer, which has no -0.
  fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(undefined),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

test("values come back as they were, their bytes copied", (t) => {
  holds(
    t,
    fc.property(value, (given) => {
      const bytes = pack(given);
      const found = unpack(bytes, "x");
      bytes.fill(0);
      t.deepEqual(found, given);
    }),
    500,
  );
});

test("any bytes are a value or MALFORMED", (t) => {
  decodesOrIsMalformed(t, value.map(pack), (bytes) => unpack(bytes, "x"), 2_000);
});

test("sizes that are only announced, and depth without end, are MALFORMED at once", (t) => {
  const sizes = [0xc6, 0xc9, 0xdb, 0xdd, 0xdf].map((kind) => [kind, 255, 255, 255, 255, 1]);
  const deep = Array.from({ length: 200_000 }, () => 0x91);
  for (const bytes of [...sizes, deep])
    t.throws(() => unpack(Uint8Array.from(bytes), "x"), { code: "MALFORMED" });
});

/** An extension of four bytes: 0x69 gives the value that follows a number, 0x70 stands for the value of a number. */
const numbered = (n: number, of: readonly number[]) => [0xd6, 0x69, 0, 0, 0, n, ...of];
const reference = (n: number) => [0xd6, 0x70, 0, 0, 0, n];

test("a value that refers to others, and so could be larger than its bytes without bound, is MALFORMED", (t) => {
  const twice = (n: number) => numbered(n, [0x92, ...reference(n - 1), ...reference(n - 1)]);
  // Few enough to end in any case; forty would not.
  const doubling = Array.from({ length: 12 }, (_, n) => (n === 0 ? numbered(0, [0x90]) : twice(n)));
  const circle = numbered(1, [0x91, ...reference(1)]);
  for (const bytes of [[0xdc, 0, doubling.length, ...doubling.flat()], circle])
    t.throws(() => unpack(Uint8Array.from(bytes), "x"), { code: "MALFORMED" });
});

test("of the extensions only undefined is taken: nothing but plain data comes in", (t) => {
  const inside = [0x92, 0xa1, 0x61, 0xa0];
  for (let type = 1; type <= 255; type += 1) {
    // 0x72 declares a record, which is but another way to write an object.
    if (type === 0x72) continue;
    for (const bytes of [
      [0xd4, type, 0, ...inside],
      [0xd6, type, 0, 0, 0, 0, ...inside],
      [0xd7, type, 0, 0, 0, 0, 0, 0, 0, 0, ...inside],
    ])
      t.throws(() => unpack(Uint8Array.from(bytes), "x"), { code: "MALFORMED" }, `type ${type}`);
  }
  t.is(unpack(pack(undefined), "x"), undefined);
});
