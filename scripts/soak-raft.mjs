/**
 * Runs many seeds of the Raft simulator, beyond what the tests run: `npm run soak:raft`, `IDUNNO_RUNS=100000 npm run
 * soak:raft`, `IDUNNO_SEED=42 IDUNNO_RUNS=1 npm run soak:raft`. Says which seeds failed and how; goes on after a failure.
 */
import { stir } from "../dist/test/raft/simulation/stir.js";

const runs = Number(process.env["IDUNNO_RUNS"] ?? 3_000);
const firstSeed = Number(process.env["IDUNNO_SEED"] ?? 1);
/** Whole traces are printed of this many failures. */
const shown = Number(process.env["IDUNNO_SHOW"] ?? 1);
const failed = [];
const done = new Map();
let committed = 0;
let reads = 0;
let virtualMs = 0;
const began = performance.now();
for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
  if (process.env["IDUNNO_VERBOSE"] !== undefined) console.log(`seed ${seed}`);
  try {
    const world = stir(seed);
    committed += world.cluster.committed;
    reads += world.cluster.checks.readsAnswered;
    virtualMs += world.cluster.now;
    for (const [what, times] of world.done) done.set(what, (done.get(what) ?? 0) + times);
  } catch (error) {
    const { message } = error;
    failed.push(seed);
    console.log(failed.length <= shown ? message : message.split("\n")[0]);
  }
}
const seconds = Math.round((performance.now() - began) / 100) / 10;
console.log(
  `${runs} seeds, ${failed.length} failed${failed.length > 0 ? ` (${failed.slice(0, 20).join(", ")})` : ""}; ` +
    `${seconds} s for ${Math.round(virtualMs / 60_000)} virtual minutes, ${committed} entries committed, ` +
    `${reads} reads answered`,
);
console.log([...done].map(([what, times]) => `${what} ${times}`).join(", "));
process.exitCode = failed.length === 0 ? 0 : 1;
