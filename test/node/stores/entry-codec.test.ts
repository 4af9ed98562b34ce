/** Entries on the disk: read back as written, or said to be damaged; never taken for another, never an exception. */
import test from "ava";
import fc from "fast-check";
import { LogIndex, Term } from "../../../src/lib/types.ts";
import {
  decodeEntry,
  encodeEntry,
  entryKey,
  indexOfKey,
} from "../../../src/node/stores/entry-codec.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { damaged } from "../../lib/damage.ts";
import { holds } from "../../lib/property.ts";

const entry: fc.Arbitrary<Entry> = fc.record({
  index: fc.integer({ min: 1, max: 2 ** 53 - 1 }).map(LogIndex),
  term: fc.maxSafeNat().map(Term),
  kind: fc.constantFrom("noop", "command", "configuration"),
  data: fc.uint8Array({ maxLength: 40 }),
});
const chain = fc.uint8Array({ minLength: 16, maxLength: 16 });

test("an entry is read back as written, at its own index only", (t) => {
  holds(
    t,
    fc.property(entry, chain, (given, before) => {
      const { bytes, chain: after } = encodeEntry(given, before);
      const found = decodeEntry(given.index, bytes);
      t.deepEqual(
        typeof found === "string" ? found : { ...found.entry, data: [...found.entry.data] },
        { ...given, data: [...given.data] },
      );
      t.deepEqual(typeof found === "string" ? [] : [...found.chain], [...after]);
      t.is(typeof decodeEntry(given.index === 1 ? 2 : given.index - 1, bytes), "string");
      t.is(indexOfKey(entryKey(given.index)), given.index);
    }),
    300,
  );
});

test("whatever became of its bytes, an entry is whole or what is wrong is said", (t) => {
  const written = fc
    .tuple(entry, chain)
    .map(
      ([given, before]) =>
        new Uint8Array(encodeEntry({ ...given, index: LogIndex(7) }, before).bytes),
    );
  let faults = 0;
  holds(
    t,
    fc.property(written, damaged(written), (right, bytes) => {
      t.not(typeof decodeEntry(7, right), "string");
      if (typeof decodeEntry(7, bytes) === "string") faults += 1;
    }),
    1_000,
  );
  t.true(faults > 0);
});

test("one flipped bit is noticed, wherever it is", (t) => {
  const right = encodeEntry(
    { index: LogIndex(7), term: Term(3), kind: "command", data: Uint8Array.of(1, 2, 3) },
    new Uint8Array(16),
  ).bytes;
  for (let bit = 0; bit < 8 * right.length; bit += 1) {
    const bytes = new Uint8Array(right);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    t.is(typeof decodeEntry(7, bytes), "string", `bit ${bit}`);
  }
});
