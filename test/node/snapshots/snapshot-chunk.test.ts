/** Pieces of a snapshot as they come from a peer: whole rows in order, or MALFORMED. */
import test from "ava";
import fc from "fast-check";
import { pack, unpack } from "../../../src/lib/msgpack.ts";
import {
  packRows,
  parseSnapshotHead,
  positionOfHead,
  type SealedRow,
  type SnapshotHead,
  unpackRows,
} from "../../../src/node/snapshots/snapshot-chunk.ts";
import { seal } from "../../../src/node/stores/seal.ts";
import { encodeConfiguration, simpleConfiguration } from "../../../src/raft/configuration.ts";
import { NodeId } from "../../../src/lib/types.ts";
import { decodesOrIsMalformed } from "../../lib/damage.ts";
import { holds } from "../../lib/property.ts";

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const key = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" });
/** Rows under their seals, in order of keys. */
const rows: fc.Arbitrary<readonly SealedRow[]> = fc
  .uniqueArray(fc.tuple(key, fc.uint8Array({ maxLength: 12 })), {
    maxLength: 6,
    selector: ([name]) => name,
  })
  .map((list) =>
    list
      .toSorted(([a], [b]) => byBytes(a, b))
      .map(([name, row]) => [name, new Uint8Array(seal(row, name))] as const),
  );

test("rows come back as they were", (t) => {
  holds(
    t,
    fc.property(rows, (given) => {
      t.deepEqual(unpackRows(packRows(given), ""), [...given]);
    }),
    200,
  );
});

test("any bytes are rows or MALFORMED", (t) => {
  decodesOrIsMalformed(t, rows.map(packRows), (bytes) => unpackRows(bytes, ""), 1_500);
});

test("rows out of order, twice, before the place asked for, or under another's seal are MALFORMED", (t) => {
  holds(
    t,
    fc.property(rows, fc.nat(), (given, n) => {
      fc.pre(given.length >= 2);
      const [first, second] = given as readonly [SealedRow, SealedRow];
      const last = given[given.length - 1]?.[0] ?? "";
      const after = given[n % given.length]?.[0] ?? "";
      const wrong = [
        [second, first],
        [first, first],
        [[first[0], second[1]], second],
      ] as readonly (readonly SealedRow[])[];
      // The same content under the same seal would prove itself again.
      for (const each of wrong)
        t.throws(() => unpackRows(packRows(each), ""), { code: "MALFORMED" });
      t.throws(() => unpackRows(packRows(given), after), { code: "MALFORMED" });
      t.deepEqual(unpackRows(packRows([]), last), []);
    }),
    100,
  );
});

const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const configuration = Buffer.from(
  encodeConfiguration(simpleConfiguration([NodeId("a"), NodeId("b")])),
).toString("hex");
const head: fc.Arbitrary<SnapshotHead> = fc.record({
  snapshot: fc.stringMatching(/^[a-z0-9]{1,32}$/),
  index: fc.maxSafeNat(),
  term: fc.maxSafeNat(),
  chain: hex,
  hash: fc.nat(),
  configuration: fc.constantFrom("", configuration),
  next: key,
  rows: fc.nat(),
  crc: fc.nat(),
  done: fc.boolean(),
});

test("a head comes back as it was, and any bytes are a head or MALFORMED", (t) => {
  const decode = (bytes: Uint8Array) => parseSnapshotHead(unpack(bytes, "head"));
  holds(
    t,
    fc.property(head, (given) => {
      t.deepEqual(decode(pack(given)), given);
    }),
    200,
  );
  decodesOrIsMalformed(t, head.map(pack), (bytes) => positionOfHead(decode(bytes)), 1_500);
});

test("a configuration that is none is refused, and not taken for the founders'", (t) => {
  const [given] = fc.sample(head, 1);
  t.throws(() => positionOfHead({ ...given, configuration: "90" } as SnapshotHead), {
    message: /snapshot chunk\/configuration/,
  });
});
