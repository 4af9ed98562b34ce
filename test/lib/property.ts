/** fast-check under AVA, which reports the first failed assertion only: the seed and the smallest case are logged beside it. */
import type { ExecutionContext } from "ava";
import fc from "fast-check";

/** `IDUNNO_RUNS=20 npm test` makes every property twenty times as thorough. */
export const runs = (base: number): number => base * Number(process.env["IDUNNO_RUNS"] ?? "1");

/** The property holds for `base` random cases; repeat a failure with `IDUNNO_SEED`. */
export function holds<Ts>(t: ExecutionContext, property: fc.IProperty<Ts>, base = 100): void {
  judge(t, fc.check(property, parameters(base)));
}

/** {@link holds} for what takes turns of the event loop. */
export async function holdsAsync<Ts>(
  t: ExecutionContext,
  property: fc.IAsyncProperty<Ts>,
  base = 100,
): Promise<void> {
  judge(t, await fc.check(property, parameters(base)));
}

function parameters(base: number): { numRuns: number; seed?: number } {
  const seed = process.env["IDUNNO_SEED"];
  const numRuns = runs(base);
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}

function judge<Ts>(t: ExecutionContext, details: fc.RunDetails<Ts>): void {
  if (details.failed) {
    t.log(fc.defaultReportMessage(details));
    t.log(details.errorInstance);
    t.fail("the property does not hold");
  } else t.pass();
}
