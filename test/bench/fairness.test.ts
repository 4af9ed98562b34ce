import test from "ava";
import { course } from "../../bench/fairness/course.ts";
import { inputsNeeded } from "../../bench/fairness/needs.ts";
import { originalRule } from "../../bench/fairness/original-rule.ts";
import { parseQueriesRun, queriesRun, type Readings } from "../../bench/fairness/progress.ts";
import { type Ran, windowsOf } from "../../bench/fairness/windows.ts";

/** Queries of a job one after the other on one slot: `count` of `ms` each, from `fromMs` on. */
function lane(job: string, ms: number, count: number, fromMs = 0): Ran[] {
  return Array.from({ length: count }, (_, i) => {
    return { job, elapsedMs: ms, seenMs: fromMs + (i + 1) * ms };
  });
}

/** Readings of one node, in which each job has run so many queries at each second from 0 on. */
function node(perSecond: Readonly<Record<string, readonly number[]>>): Readings[number] {
  const seconds = Math.max(...Object.values(perSecond).map(({ length }) => length));
  return Array.from({ length: seconds }, (_, i) => {
    const run = Object.entries(perSecond).map(([job, values]) => [job, values[i] ?? 0] as const);
    return { atMs: i * 1_000, run: new Map(run) };
  });
}

/** A job that goes on evenly. */
function evenly(perSecond: number, seconds: number): number[] {
  return Array.from({ length: seconds + 1 }, (_, i) => i * perSecond);
}

const pair = (toMs: number, weights: readonly [number, number] = [1, 1]) => ({
  name: "p",
  fromMs: 0,
  toMs,
  jobs: [
    { job: "a", weight: weights[0] },
    { job: "b", weight: weights[1] },
  ],
});
const options = { windowMs: 10_000, slots: 2 };
const rounded = (value: number): number => Math.round(value * 1e9) / 1e9;
const nothing = { readings: [], queries: [] };

test("what a job has run is read off the nodes' metrics", (t) => {
  const text = [
    "# TYPE idunno_job_queries_run gauge",
    'idunno_job_queries_run{job="j4"} 2.03125',
    "idunno_slots 1",
    'idunno_job_queries_run{job="j7"} 1e-2',
  ].join("\n");
  t.deepEqual(
    [...parseQueriesRun(text)],
    [
      ["j4", 2.03125],
      ["j7", 0.01],
    ],
  );
});

test("between two readings a job goes on evenly; before the first and after the last it does not", (t) => {
  const readings = [node({ a: [1, 2, 4] }), node({ a: [0, 0.5], b: [3, 9] })];
  const run = (job: string, fromMs: number, toMs: number) =>
    queriesRun(readings, job, { fromMs, toMs });
  t.is(run("a", 0, 1_000), 1.5);
  t.is(run("a", 500, 1_500), 0.5 + 1 + 0.25);
  t.is(run("b", 0, 500), 3);
  t.is(run("a", 2_000, 9_000), 0);
  t.is(run("a", -1_000, 2_000), 3.5);
  t.is(run("c", 0, 2_000), 0);
});

test("rates are those of all nodes, counts those of the log, and the first window is not judged", (t) => {
  const readings = [
    node({
      a: evenly(0.25, 20),
      b: [
        ...evenly(1, 10),
        ...evenly(0.5, 10)
          .slice(1)
          .map((n) => n + 10),
      ],
    }),
    node({ a: evenly(0.05, 20) }),
  ];
  const queries = [...lane("a", 4_000, 5), ...lane("b", 1_000, 10), ...lane("b", 2_000, 5, 10_000)];
  const seen = { readings, queries };
  const [first, second, ...others] = windowsOf([pair(20_000)], seen, options);
  t.is(others.length, 0);
  t.deepEqual(first?.rates.map(rounded), [0.3, 1]);
  t.deepEqual(first?.counts, [2, 9]);
  t.is(first?.judged, false);
  t.deepEqual(second?.rates.map(rounded), [0.3, 0.5]);
  t.is(second?.judged, true);
  t.is(rounded(second?.fractionalGap ?? 0), 0.4);
});

test("rates are compared per weight", (t) => {
  const readings = [node({ a: evenly(1, 10), b: evenly(3, 10) })];
  const [window] = windowsOf([pair(10_000, [1, 3])], { readings, queries: [] }, options);
  t.is(window?.fractionalGap, 0);
  t.true(window?.meetsFractional);
  const [unequal] = windowsOf([pair(10_000)], { readings, queries: [] }, options);
  t.true(Math.abs((unequal?.fractionalGap ?? 0) - 2 / 3) < 1e-9);
  t.false(unequal?.meetsFractional);
});

test("as many whole queries as there are slots may lie between two jobs, and no more", (t) => {
  const counted = (a: number) => {
    const queries = [...lane("a", 9_000 / a, a), ...lane("b", 900, 10)];
    return windowsOf([pair(10_000)], { readings: [], queries }, options)[0];
  };
  t.deepEqual([counted(12)?.wholeGap, counted(12)?.meetsWhole], [2, true]);
  t.deepEqual([counted(13)?.wholeGap, counted(13)?.meetsWhole], [3, false]);
});

test("five per cent of many whole queries are more than the slots", (t) => {
  const queries = [...lane("a", 50, 190), ...lane("b", 50, 199)];
  const [window] = windowsOf([pair(10_000)], { readings: [], queries }, options);
  t.deepEqual([window?.wholeGap, window?.meetsWhole], [9, true]);
});

test("what is left of a phase after its last whole window is in none", (t) => {
  t.is(windowsOf([pair(19_999)], nothing, options).length, 1);
});

test("a window in which nothing ran meets nothing", (t) => {
  t.is(windowsOf([pair(10_000)], nothing, options)[0]?.meetsFractional, false);
});

test("the original's rule moves nodes to the slower job while that lessens the gap", (t) => {
  // Ten to one on five nodes: four and one is as near as whole nodes come, 0.4 to 1.
  const costs = (a: number, b: number) => [
    { queryMs: a, weight: 1 },
    { queryMs: b, weight: 1 },
  ];
  const ten = originalRule(5, costs(1_000, 100));
  t.deepEqual([ten.nodes, ten.moves], [[4, 1], 1]);
  t.true(Math.abs(ten.gap - 0.6) < 1e-9);
  // 3 : 2 with costs of 3 : 2 is even, and nothing is moved.
  t.deepEqual(originalRule(5, costs(300, 200)), { nodes: [3, 2], gap: 0, moves: 0 });
  t.deepEqual(originalRule(10, costs(400, 100)).nodes, [8, 2]);
});

test("the original's rule takes no job's last node: the next fastest gives one", (t) => {
  const jobs = [1_000, 100, 10].map((queryMs) => ({ queryMs, weight: 1 }));
  // The third has one node of five and is the fastest by far.
  t.deepEqual(originalRule(5, jobs).nodes, [3, 1, 1]);
});

test("the original's rule leaves a job without a node when there are more jobs than nodes", (t) => {
  const jobs = Array.from({ length: 3 }, () => ({ queryMs: 100, weight: 1 }));
  t.is(originalRule(2, jobs).gap, 1);
});

test("inputs are foreseen for the job that needs most, over all phases", (t) => {
  const jobs = [
    { key: "a", inputMs: 300, weight: 1 },
    { key: "b", inputMs: 100, weight: 3 },
  ];
  // A round of one a and three b takes 600 ms of a slot: 100 rounds in 30 s on two slots, b does 3 in each.
  const phase = { seconds: 30, batchSize: 5, jobs };
  t.is(inputsNeeded([phase], 2), 300 * 1.6 + 20);
  t.is(inputsNeeded([phase, phase], 2), 2 * (300 * 1.6 + 20));
});

test("every stage has a window that is judged, however few are asked for", (t) => {
  t.is(course(false, 1).windows, 2);
  t.is(course(false, undefined).windowMs, 10_000);
  t.true(course(true, undefined).stages.length >= 3);
});
