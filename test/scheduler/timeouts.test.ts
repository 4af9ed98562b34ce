import test from "ava";
import type { LogTime } from "../../src/lib/types.ts";
import { emptyStatistics, withQuery } from "../../src/scheduler/statistics.ts";
import { queryTimeoutMs } from "../../src/scheduler/timeouts.ts";

/** A job whose queries of 8 inputs took so long each. */
function job(times: readonly number[]) {
  let statistics = emptyStatistics;
  for (const elapsedMs of times)
    statistics = withQuery(statistics, { elapsedMs, inputs: 8, now: 0 as LogTime });
  return { statistics, doneInputs: 8 * times.length, errorInputs: 0 };
}

test("while little is known of a job its queries get half a minute, and ten seconds for each input", (t) => {
  t.is(queryTimeoutMs(job([]), 8), 110_000);
  t.is(queryTimeoutMs(job([1, 1, 1, 1]), 1), 40_000);
});

test("no query gets less than ten seconds", (t) => {
  t.is(queryTimeoutMs(job([3, 3, 3, 3, 3]), 8), 10_000);
});

test("later it is twenty times what the slowest took, and more for larger batches", (t) => {
  const known = job([1_000, 1_000, 1_000, 1_000, 2_000]);
  const usual = queryTimeoutMs(known, 8);
  t.true(usual > 39_000 && usual < 41_000, String(usual));
  const larger = queryTimeoutMs(known, 80);
  t.is(larger, 20 * 12_000);
});

test("queries that gave nothing but errors say nothing of the network", (t) => {
  const unreadable = { ...job([1, 1, 1, 1, 1]), errorInputs: 40 };
  t.is(queryTimeoutMs(unreadable, 8), 110_000);
  const oneOfFive = { ...job([1, 1, 1, 1, 4_000]), errorInputs: 32 };
  t.is(queryTimeoutMs(oneOfFive, 80), (20 * 4_004 * 80) / 8);
});
