import test from "ava";
import { course } from "../../bench/fairness/course.ts";
import { inputsNeeded } from "../../bench/fairness/needs.ts";
import { originalRule } from "../../bench/fairness/original-rule.ts";
import { type Ran, windowsOf } from "../../bench/fairness/windows.ts";

/** Queries of a job one after the other on one slot: `count` of `ms` each, from `fromMs` on. */
function lane(job: string, ms: number, count: number, fromMs = 0): Ran[] {
  return Array.from({ length: count }, (_, i) => {
    return { job, elapsedMs: ms, spanMs: ms, seenMs: fromMs + (i + 1) * ms };
  });
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

test("a query counts in each window by the time that it ran there", (t) => {
  // a: 4 s each, so the third lies half in the first window; b the same rate in smaller pieces.
  const queries = [...lane("a", 4_000, 5), ...lane("b", 1_000, 5), ...lane("b", 2_000, 8, 5_000)];
  const [first, second, ...others] = windowsOf([pair(20_000)], queries, options);
  t.is(others.length, 0);
  t.deepEqual(first?.rates, [0.25, 0.75]);
  t.deepEqual(first?.counts, [2, 7]);
  t.is(first?.judged, false);
  t.deepEqual(second?.rates, [0.25, 0.5]);
  t.is(second?.judged, true);
  t.is(second?.fractionalGap, 0.5);
});

test("rates are compared per weight", (t) => {
  const queries = [...lane("a", 1_000, 10), ...lane("b", 500, 20), ...lane("b", 1_000, 10)];
  const [window] = windowsOf([pair(10_000, [1, 3])], queries, options);
  t.is(window?.fractionalGap, 0);
  t.true(window?.meetsFractional);
  const [unequal] = windowsOf([pair(10_000)], queries, options);
  t.true(Math.abs((unequal?.fractionalGap ?? 0) - 2 / 3) < 1e-9);
  t.false(unequal?.meetsFractional);
});

test("as many whole queries as there are slots may lie between two jobs, and no more", (t) => {
  const counted = (a: number) => {
    const queries = [...lane("a", 9_000 / a, a), ...lane("b", 900, 10)];
    return windowsOf([pair(10_000)], queries, options)[0];
  };
  t.deepEqual([counted(12)?.wholeGap, counted(12)?.meetsWhole], [2, true]);
  t.deepEqual([counted(13)?.wholeGap, counted(13)?.meetsWhole], [3, false]);
});

test("five per cent of many whole queries are more than the slots", (t) => {
  const queries = [...lane("a", 50, 190), ...lane("b", 50, 199)];
  const [window] = windowsOf([pair(10_000)], queries, options);
  t.deepEqual([window?.wholeGap, window?.meetsWhole], [9, true]);
});

test("what is left of a phase after its last whole window is in none", (t) => {
  t.is(windowsOf([pair(19_999)], [], options).length, 1);
});

test("a window in which nothing ran meets nothing", (t) => {
  t.is(windowsOf([pair(10_000)], [], options)[0]?.meetsFractional, false);
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
