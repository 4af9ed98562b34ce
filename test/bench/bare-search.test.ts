import test from "ava";
import { barePoints } from "../../bench/throughput/latency.ts";
import { compare } from "../../bench/throughput/rounds.ts";
import { bestOf, photosPerQuery } from "../../bench/throughput/search.ts";

const finding = (threads: number, batch: number, perSecond: number) => {
  return { threads, batch, perSecond };
};

test("the best setup is the fastest, and of equals the smaller", (t) => {
  t.deepEqual(bestOf([finding(2, 1, 50), finding(2, 4, 60), finding(4, 1, 60)]), finding(2, 4, 60));
  t.throws(() => bestOf([]), { instanceOf: TypeError });
});

test("a batch of the bare loop takes as long as all threads' images at that rate", (t) => {
  const findings = [finding(2, 1, 50), finding(4, 4, 80), finding(2, 8, 64)];
  t.deepEqual(barePoints(findings, 2), [
    { x: 50, y: 40, label: "1" },
    { x: 64, y: 250, label: "8" },
  ]);
});

test("without BullMQ there is no ratio to it, and the others stand", (t) => {
  const round = { bareBefore: 100, bareAfter: 100, bareProcesses: 80, oneNode: 96, fiveNodes: 72 };
  const alone = compare([{ ...round, bullmq: NaN }]);
  t.true(Number.isNaN(alone.oneNodeToBullmq));
  t.is(alone.oneNodeToBare, 0.96);
  const beside = compare([
    { ...round, bullmq: 48 },
    { ...round, bullmq: 36 },
  ]);
  t.is(beside.bullmq, 42);
  t.is(beside.fiveNodesToBullmq, 1.75);
});

test("a query has about what a core does in a second, between 16 photos and 64", (t) => {
  const of = (perSecond: number, cores: number): number => photosPerQuery(perSecond, cores);
  t.deepEqual([of(25, 2), of(35, 2), of(64, 2), of(140, 2), of(900, 2)], [16, 16, 32, 64, 64]);
});
