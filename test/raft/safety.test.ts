/** The whole group under everything that may happen to it, checked after each event (cluster.ts). */
import test from "ava";
import { stir } from "./simulation/stir.ts";

const runs = Number(process.env["IDUNNO_RUNS"] ?? 80);
const firstSeed = Number(process.env["IDUNNO_SEED"] ?? 1);

test(`safety holds and the group comes to rest, over ${runs} seeds`, (t) => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    const { cluster } = stir(seed);
    t.true(cluster.committed > 0);
  }
});

test("two runs of a seed are the same, event by event", (t) => {
  for (let seed = firstSeed; seed < firstSeed + Math.min(runs, 10); seed += 1)
    t.is(stir(seed).cluster.trace.hash, stir(seed).cluster.trace.hash, `seed ${seed}`);
});
