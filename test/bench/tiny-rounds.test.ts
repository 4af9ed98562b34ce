/** A job over tiny inputs is judged beside the bare loops on either side of it, not beside those of other rounds. */
import test from "ava";
import { type Runs, summarizeLayout, type TinyRound } from "../../bench/tiny/rounds.ts";

const alone = { networkPerSecond: 2_000, barePerSecond: 1_000 };

function runs(usual: number, large: number, logBytesPerInput = 20): Runs {
  return {
    usual: { id: "a", batchSize: 8, perSecond: usual, logBytesPerInput },
    large: { id: "b", batchSize: 64, perSecond: large, logBytesPerInput: logBytesPerInput / 2 },
  };
}

const fast: TinyRound = { bareBefore: 1_000, runs: runs(800, 900), bareAfter: 1_000 };
const slow: TinyRound = { bareBefore: 500, runs: runs(400, 450), bareAfter: 500 };
/** Between them the machine became slower. */
const unsteady: TinyRound = { bareBefore: 1_000, runs: runs(300, 300, 30), bareAfter: 500 };

test("ratios are those of the rounds, however fast the machine was in each", (t) => {
  const { jobs, barePerSecond } = summarizeLayout([fast, slow, slow], alone);
  t.is(jobs.usual.toBare, 0.8);
  t.is(jobs.large.toBare, 0.9);
  t.is(jobs.usual.perSecond, 400);
  t.is(barePerSecond, 500);
});

test("a round in which the machine changed does not count, but its log does", (t) => {
  const { rounds, counted, jobs } = summarizeLayout([fast, unsteady, slow], alone);
  t.is(rounds, 3);
  t.is(counted, 2);
  t.is(jobs.usual.toBare, 0.8);
  t.is(jobs.usual.logBytesPerInput, 30);
  t.is(jobs.large.logBytesPerInput, 15);
});

test("when none counts, the medians are of all, and it shows", (t) => {
  const { counted, jobs } = summarizeLayout([unsteady], alone);
  t.is(counted, 0);
  t.is(jobs.usual.toBare, 0.4);
});

test("the network's share of the time is that of the bare loop, times the ratio to it", (t) => {
  const { jobs } = summarizeLayout([slow], alone);
  t.is(jobs.usual.share, 0.4);
  t.is(jobs.usual.batchSize, 8);
});
