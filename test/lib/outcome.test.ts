import test from "ava";
import fc from "fast-check";
import { type FileOutcome, fileOutcomes, okFiles } from "../../src/lib/outcome.ts";
import { holds } from "./property.ts";

function again(files: readonly FileOutcome[]): readonly FileOutcome[] {
  const outcome = okFiles(files);
  return outcome.kind === "ok" ? fileOutcomes(outcome.value) : [];
}

test("what became of each file comes back in order", (t) => {
  const few = fc.integer({ min: 1, max: 3 });
  holds(
    t,
    fc.property(fc.array(fc.record({ version: few, copies: few }), { maxLength: 40 }), (files) => {
      t.deepEqual(again(files), files);
    }),
  );
});

test("a thousand new files are one run: an answer stays in memory for every key", (t) => {
  const files = Array.from({ length: 1_000 }, () => ({ version: 1, copies: 4 }));
  t.deepEqual(okFiles(files), { kind: "ok", value: { kind: "files", runs: [1, 4, 1_000] } });
});

test("another value has no files", (t) => {
  t.deepEqual(fileOutcomes({ kind: "none" }), []);
});
