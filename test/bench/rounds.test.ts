/**
 * Rounds in which the machine changed its speed do not count, unless there are no others, and within a round the
 * measurements go in either direction.
 */
import test from "ava";
import {
  bareOf,
  compare,
  inTurn,
  judge,
  type Round,
  tellCount,
} from "../../bench/throughput/rounds.ts";

const steady: Round = {
  bareBefore: 100,
  bareAfter: 100,
  bareProcesses: 80,
  oneNode: 96,
  fiveNodes: 72,
  bullmq: NaN,
};
const unsteady: Round = { ...steady, bareAfter: 50 };

test("a round counts only when the bare loop before and after agree", (t) => {
  const { rounds, counted, oneNodeToBare, fiveNodesToBareProcesses } = compare([steady, unsteady]);
  t.is(rounds, 2);
  t.is(counted, 1);
  t.is(oneNodeToBare, 0.96);
  t.is(fiveNodesToBareProcesses, 0.9);
});

test("when none counts, the medians are of all, and it shows", (t) => {
  const { counted, bare, oneNodeToBare } = compare([unsteady]);
  t.is(counted, 0);
  t.is(bare, 75);
  t.is(oneNodeToBare, 1.28);
});

test("ratios are taken round by round, since the machine's speed may drift between rounds", (t) => {
  const slower: Round = { ...steady, bareBefore: 50, bareAfter: 50, oneNode: 48 };
  t.is(compare([steady, steady, slower]).oneNodeToBare, 0.96);
});

test("the same rule holds for rounds of whatever is measured", (t) => {
  const named = [
    { name: "steady", bareBefore: 100, bareAfter: 96 },
    { name: "unsteady", bareBefore: 100, bareAfter: 94 },
  ];
  const [good, bad] = named;
  t.deepEqual(judge(named), { rounds: 2, counted: 1, used: [good] });
  t.deepEqual(judge(named.slice(1)), { rounds: 1, counted: 0, used: [bad] });
  t.deepEqual(judge([]), { rounds: 0, counted: 0, used: [] });
  t.deepEqual(named.map(bareOf), [98, 97]);
});

test("it is said how many rounds count, and that no target is met when none does", (t) => {
  const some = tellCount("a network", { rounds: 3, counted: 2 });
  t.is(some, "a network: 2 of 3 rounds count (bare loop before and after within 5 %)");
  t.regex(
    tellCount("a network", { rounds: 3, counted: 0 }),
    /^a network: 0 of 3 .*no target is met$/,
  );
});

test("measurements run one after the other, forwards or backwards, and each has its own rate", async (t) => {
  const log: string[] = [];
  const measuring = (name: string, rate: number) => async () => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    return rate;
  };
  const measurements = { first: measuring("first", 1), second: measuring("second", 2) };
  t.deepEqual(await inTurn(measurements, { backwards: false }), { first: 1, second: 2 });
  t.deepEqual(log.splice(0), ["first begins", "first ends", "second begins", "second ends"]);
  t.deepEqual(await inTurn(measurements, { backwards: true }), { first: 1, second: 2 });
  t.deepEqual(log, ["second begins", "second ends", "first begins", "first ends"]);
});
