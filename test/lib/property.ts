/** fast-check under AVA, which reports the first failed assertion only: the seed and the smallest case are logged beside it. */
import type { ExecutionContext } from "ava";
import fc from "fast-check";

/** `IDUNNO_RUNS=20 npm test` makes every property twenty times as thorough. */
export const runs = (base: number): number => base * Number(process.env["IDUNNO_RUNS"] ?? "1");

/** The property holds for `base` random cases; repeat a failure with `IDUNNO_SEED`. */
export function holds<Ts>(t: ExecutionContext, property: fc.IProperty<Ts>, base = 100): void {
  const seed = process.env["IDUNNO_SEED"];
  const numRuns = runs(base);
  const details = fc.check(
    property,
    seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) },
  );
  if (details.failed) {
    t.log(fc.defaultReportMessage(details));
    t.log(details.errorInstance);
    t.fail("the property does not hold");
  } else t.pass();
}
