/**
 * The whole cluster over fixed seeds, and over fresh ones, which are printed: `npm run sim -- --first SEED --seeds 1`
 * repeats one. More of them: `npm run sim`.
 */
import test from "ava";
import { freshSeed } from "./fresh-seed.ts";
import { makePlan } from "./plan.ts";
import { ruleOf } from "./report/failure.ts";
import { simulate, simulatePlan, Violation } from "./simulate.ts";

const fixedSeeds = 60;
const freshSeeds = 20;
/** Seeds in one test: some ten seconds. */
const together = 10;

for (let first = 1; first <= fixedSeeds; first += together) keeps("fixed", first);

const fresh = freshSeed();
for (let first = fresh; first < fresh + freshSeeds; first += together) keeps("fresh", first);

/** Whoever reads a failure finds the seeds in the title. */
function keeps(kind: "fixed" | "fresh", first: number): void {
  const last = first + together - 1;
  test.serial(`${kind} seeds ${first} to ${last} keep every promise`, async (t) => {
    t.timeout(300_000);
    for (let seed = first; seed <= last; seed += 1) {
      try {
        const { committed, events } = await simulate(seed);
        t.true(committed > 0 && events > 0);
      } catch (error) {
        // AVA's TAP reporter ends the whole run over an error whose stack is not its own.
        if (!(error instanceof Violation)) throw error;
        t.fail(error.message);
      }
    }
  });
}

test.serial("two runs of a seed are the same, event by event", async (t) => {
  for (const seed of [3, 17, 46]) {
    const one = await simulate(seed);
    const other = await simulate(seed);
    t.deepEqual(other, one, `seed ${seed}`);
  }
});

test.serial("without its steps a run founds its cluster, and nothing breaks", async (t) => {
  const plan = makePlan(5);
  const { faults, requests } = await simulatePlan({ ...plan, steps: [] });
  t.is(faults.size, 0);
  t.true(requests.done > 0, "what the founding asks for is no step");
});

test("a failure names its seed, its moment and its rule", (t) => {
  const cause = new Error("J1: j1/3 is completed twice");
  t.is(ruleOf(cause), "J1");
  t.is(ruleOf(new Error("no rest: nobody leads")), "no rest");
  const world = { time: { now: 1_234.5 } } as ConstructorParameters<typeof Violation>[1];
  const violation = new Violation(makePlan(7), world, cause);
  t.is(violation.message, "seed 7, at 1235 ms: J1: j1/3 is completed twice");
  t.is(ruleOf(violation), "J1");
});
