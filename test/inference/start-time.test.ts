import test from "ava";
import { startWithinMs } from "../../src/inference/supervisor.ts";

test("each start that was too slow gives the next one twice the time, within a bound", (t) => {
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 100].map(startWithinMs),
    [15_000, 30_000, 60_000, 120_000, 240_000, 240_000, 240_000],
  );
});
