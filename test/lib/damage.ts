/** Bytes as they must be expected from peers and disks: any, or right ones with some flipped, put in or cut out. */
import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { hasCode } from "../../src/lib/errors.ts";
import { holds } from "./property.ts";

/** What happens to bytes at a place, which is a fraction of their length. */
interface Edit {
  readonly kind: "flip" | "insert" | "delete" | "cut";
  readonly place: number;
  readonly byte: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "flip", "insert", "delete", "cut"),
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.nat(255),
});

function edited(bytes: Uint8Array, { kind, place, byte }: Edit): Uint8Array {
  const at = Math.floor(place * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case "flip":
      return Uint8Array.of(...before, byte, ...after.subarray(1));
    case "insert":
      return Uint8Array.of(...before, byte, ...after);
    case "delete":
      return Uint8Array.of(...before, ...after.subarray(1));
    case "cut":
      return before;
  }
}

/** Any bytes, and right ones with up to three faults. */
export function damaged(right: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const nearly = fc
    .tuple(right, fc.array(edit, { maxLength: 3 }))
    .map(([bytes, edits]) => edits.reduce(edited, bytes));
  return fc.oneof(
    { weight: 3, arbitrary: nearly },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  );
}

/** Whatever the damage, the decoder gives a value or MALFORMED; both have been seen, or the property says nothing. */
export function decodesOrIsMalformed(
  t: ExecutionContext,
  right: fc.Arbitrary<Uint8Array>,
  decode: (bytes: Uint8Array) => unknown,
  base = 1_000,
): void {
  const seen = { fine: 0, malformed: 0 };
  const property = fc.property(damaged(right), (bytes) => {
    try {
      decode(bytes);
      seen.fine += 1;
    } catch (error) {
      if (!hasCode(error, "MALFORMED")) throw error;
      seen.malformed += 1;
    }
  });
  holds(t, property, base);
  t.true(seen.fine > 0 && seen.malformed > 0, JSON.stringify(seen));
}
