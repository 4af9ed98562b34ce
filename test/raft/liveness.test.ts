/** A quorum whose members hear each other makes progress, whatever the rest of the network does and goes on doing. */
import test from "ava";
import { standFault } from "./simulation/standing.ts";

const runs = Number(process.env["IDUNNO_RUNS"] ?? 40);
const firstSeed = Number(process.env["IDUNNO_SEED"] ?? 1);

test(`a connected quorum goes on under a fault that stays, over ${runs} seeds`, (t) => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1)
    t.true(standFault(seed).committed > 0);
});
