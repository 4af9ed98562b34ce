import test from "ava";
import fc from "fast-check";
import { JobId, LogTime, NodeId } from "../../src/lib/types.ts";
import { Predictor } from "../../src/scheduler/prediction.ts";
import {
  emptyStatistics,
  remainingMs,
  summarise,
  withQuery,
} from "../../src/scheduler/statistics.ts";
import { holds } from "../lib/property.ts";

const after = (times: readonly number[]) =>
  times.reduce(
    (s, elapsedMs) => withQuery(s, { elapsedMs, inputs: 1, now: LogTime(0) }),
    emptyStatistics,
  );

test("mean and sample deviation are those of the values, quantiles within 2 %", (t) => {
  holds(
    t,
    fc.property(fc.array(fc.nat(100_000), { minLength: 2, maxLength: 100 }), (times) => {
      const summary = summarise(after(times), { now: LogTime(0), startedAt: LogTime(0) });
      const mean = times.reduce((a, b) => a + b, 0) / times.length;
      const squares = times.reduce((sum, x) => sum + (x - mean) ** 2, 0);
      const deviation = Math.sqrt(squares / (times.length - 1));
      t.is(summary.count, times.length);
      t.true(Math.abs(summary.meanMs - mean) < 1e-6 * (1 + mean));
      t.true(Math.abs(summary.standardDeviationMs - deviation) < 1e-3 + 1e-6 * deviation);
      const sorted = times.toSorted((a, b) => a - b);
      const p95 = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? NaN;
      t.true(Math.abs(summary.p95Ms - p95) <= 0.02 * p95);
    }),
    100,
  );
});

test("nothing done is all zeros, one query has no deviation", (t) => {
  const clock = { now: LogTime(5_000), startedAt: undefined };
  for (const value of Object.values(summarise(emptyStatistics, clock))) t.is(value, 0);
  const one = summarise(after([7]), clock);
  t.like(one, { count: 1, meanMs: 7, standardDeviationMs: 0, medianMs: 7, p99Ms: 7 });
});

test("the rate is that of the last 10 s of log time, with whole and partial seconds", (t) => {
  let statistics = emptyStatistics;
  // 20 queries of 3 inputs a second for 30 s.
  for (let ms = 0; ms < 30_000; ms += 50)
    statistics = withQuery(statistics, { elapsedMs: 1, inputs: 3, now: LogTime(ms) });
  t.true(statistics.recent.length <= 11);
  const at = (now: number) => summarise(statistics, { now: LogTime(now), startedAt: LogTime(0) });
  t.is(at(30_000).queryRate, 20);
  t.is(at(30_000).inputRate, 60);
  t.is(at(34_500).queryRate, 11);
  t.is(at(41_000).queryRate, 0);
});

test("a job younger than the window is measured over its age", (t) => {
  let statistics = emptyStatistics;
  for (let ms = 100_000; ms < 104_000; ms += 100)
    statistics = withQuery(statistics, { elapsedMs: 1, inputs: 1, now: LogTime(ms) });
  const clock = { now: LogTime(104_000), startedAt: LogTime(100_000) };
  t.is(summarise(statistics, clock).queryRate, 10);
});

test("predictions follow a node's own cost, else the job's, and forget jobs that have ended", (t) => {
  const predictor = new Predictor();
  const job = JobId("j1");
  const [fast, slow, other] = [NodeId("fast"), NodeId("slow"), NodeId("other")];
  t.is(predictor.predictMs(job, fast, 8), undefined);
  for (let n = 0; n < 60; n += 1) {
    predictor.observe({ job, node: fast, inputs: 4, elapsedMs: 40 });
    predictor.observe({ job, node: slow, inputs: 2, elapsedMs: 60 });
  }
  t.is(Math.round(predictor.predictMs(job, fast, 8) ?? 0), 80);
  t.is(Math.round(predictor.predictMs(job, slow, 8) ?? 0), 240);
  const elsewhere = predictor.predictMs(job, other, 8) ?? 0;
  t.true(elsewhere > 80 && elsewhere < 240);
  // A changed cost is believed within a few queries.
  for (let n = 0; n < 10; n += 1) predictor.observe({ job, node: fast, inputs: 1, elapsedMs: 100 });
  t.true((predictor.predictMs(job, fast, 1) ?? 0) > 85);
  // What cannot be: no inputs, or a clock that went back.
  const before = predictor.predictMs(job, fast, 1);
  predictor.observe({ job, node: fast, inputs: 0, elapsedMs: 1_000 });
  predictor.observe({ job, node: fast, inputs: 1, elapsedMs: -1_000 });
  predictor.observe({ job, node: fast, inputs: 1, elapsedMs: NaN });
  t.is(predictor.predictMs(job, fast, 1), before);
  predictor.forgetJobs((each) => each !== job);
  t.is(predictor.predictMs(job, fast, 1), before);
  predictor.forgetJobs((each) => each === job);
  t.is(predictor.predictMs(job, slow, 1), undefined);
});

test("what is left is told by the rate of the last seconds and of the whole run", (t) => {
  const job = {
    totalInputs: 100,
    doneInputs: 20,
    startedAt: LogTime(0),
    statistics: emptyStatistics,
  };
  t.is(remainingMs({ ...job, doneInputs: 0 }, LogTime(1_000)), undefined, "nothing is known");
  t.is(remainingMs({ ...job, doneInputs: 100 }, LogTime(1_000)), undefined, "nothing is left");
  t.is(remainingMs({ ...job, startedAt: undefined }, LogTime(1_000)), undefined, "not begun");
  // 20 inputs in 40 s, and none in the last ten: 80 more take 160 s.
  t.is(remainingMs(job, LogTime(40_000)), 160_000);
  // Four a second of late, half of one before: 3.125 a second.
  let statistics = emptyStatistics;
  for (let second = 30; second < 40; second += 1)
    statistics = withQuery(statistics, { elapsedMs: 9, inputs: 4, now: LogTime(second * 1_000) });
  t.is(remainingMs({ ...job, statistics }, LogTime(40_000)), 25_600);
});
