/** How much a leader sends a follower, in what order things may arrive, and how far back it has to look. */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { defaultLimits, defaultTimings } from "../../src/raft/types.ts";
import { Alone, entry, n2, n3 } from "./alone.ts";

const inflightMessages = 3;

/** A leader that knows where n2 and n3 are, with room for three appends each. */
function leading(limits = {}): Alone {
  const node = new Alone({ limits: { ...defaultLimits, inflightMessages, ...limits } });
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  node.said();
  return node;
}

const toN2 = (node: Alone): number[] =>
  node
    .said("append")
    .filter(({ to, entries }) => to === n2 && entries.length > 0)
    .map(({ entries }) => entries.at(-1)?.index as number);

test("a full window lets nothing more through (TestMsgAppFlowControlFull)", (t) => {
  const node = leading();
  for (let i = 0; i < 5; i += 1) node.propose("x");
  t.deepEqual(toN2(node), [2, 3, 4]);
  t.is(node.raft.peers.get(n2)?.inflight, inflightMessages);
});

test("an acknowledgement moves the window, a late one does not open it again (TestMsgAppFlowControlMoveForward)", (t) => {
  const node = leading();
  for (let i = 0; i < 3; i += 1) node.propose("x");
  node.said();
  for (const [acknowledged, next] of [
    [2, 5],
    [3, 6],
  ] as const) {
    node.matches(n2, acknowledged);
    node.propose("x");
    t.deepEqual(toN2(node), [next]);
    node.propose("x");
    t.deepEqual(toN2(node), [], "full again");
    node.matches(n2, acknowledged - 1);
    t.deepEqual(toN2(node), [], "said before");
    node.matches(n2, node.raft.lastIndex);
    node.said();
    // Level, for the next round.
    if (acknowledged === 2) return;
  }
});

test("a lost append is found by a heartbeat's answer even when the window is full (TestMsgAppFlowControlRecvHeartbeat)", (t) => {
  const node = leading();
  for (let i = 0; i < 3; i += 1) node.propose("x");
  node.said();
  node.beats(n2);
  node.beats(n2);
  const [probe] = node.said("append").filter(({ to }) => to === n2);
  t.like(probe, { prevIndex: LogIndex(4), entries: [] });
  node.hear({
    kind: "appendReply",
    from: n2,
    term: 1,
    result: {
      kind: "conflict",
      prevIndex: LogIndex(4),
      hintIndex: LogIndex(1),
      hintTerm: Term(1),
    },
    damaged: false,
  });
  node.said();
  node.matches(n2, 1);
  t.deepEqual(toN2(node), [4]);
});

test("appends that arrive in the wrong order end in the same log (TestLogReplicationWithReorderedMessage)", (t) => {
  const node = new Alone({ id: n3 });
  const entries = [1, 2, 3].map((index) => entry(index, 1, `${index}`));
  node.hearAppend(n2, 1, [2, 1], entries.slice(2), 2);
  t.like(node.said("appendReply"), [{ result: { kind: "conflict", hintIndex: LogIndex(0) } }]);
  node.hearAppend(n2, 1, [0, 0], entries.slice(0, 2), 1);
  node.hearAppend(n2, 1, [2, 1], entries.slice(2), 2);
  t.deepEqual(node.log, [1, 1, 1]);
  // The first ones again: nothing is taken back.
  node.hearAppend(n2, 1, [0, 0], entries.slice(0, 1), 0);
  t.deepEqual(node.log, [1, 1, 1]);
  t.is(node.commit, 2);
  t.deepEqual(node.disk.entries, entries);
});

test("a long divergent tail is passed over by whole terms (TestFastLogRejection)", (t) => {
  const cases: readonly (readonly [readonly number[], readonly number[], number])[] = [
    // The leader's log, the follower's, and the probes that it may take at most.
    [[1, 2, 2, 4, 4, 4, 4], [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], 2],
    [[1, 2, 2, 3, 4, 4, 4, 5], [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], 2],
    [[1, 1, 1, 1], [1, 1, 1, 1, 2, 2, 2], 1],
    [[1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 2],
    [[1, 5, 5, 5, 5], [1, 1, 1, 1, 1, 1, 1], 2],
  ];
  for (const [log, theirs, most] of cases) {
    const leader = new Alone({ log, term: 8 });
    const follower = new Alone({ id: n2, log: theirs, term: 8 });
    leader.lead([n3]);
    let refusals = 0;
    for (let round = 0; round < 40 && follower.log.length !== log.length + 1; round += 1) {
      for (const message of leader.said())
        if (message.to === n2) follower.step({ kind: "message", message });
      for (const message of follower.said()) {
        if (message.kind === "appendReply" && message.result.kind === "conflict") refusals += 1;
        leader.step({ kind: "message", message });
      }
    }
    t.deepEqual(follower.log, [...log, 9]);
    t.true(refusals <= most, `${theirs.join()} took ${refusals} refusals`);
  }
});

test("what is proposed and not committed is bounded, the tail of earlier leaders included (TestUncommittedEntryLimit)", (t) => {
  const limits = { ...defaultLimits, uncommittedBytes: 4 * 32 };
  const node = new Alone({ limits });
  node.lead();
  // The entry that began the term, and three more.
  const answers = Array.from({ length: 5 }, () => node.propose("").kind);
  t.deepEqual(answers, ["accepted", "accepted", "accepted", "busy", "busy"]);
  node.matches(n2, 2);
  t.is(node.propose("").kind, "accepted");
  const heir = new Alone({ limits, term: 1, log: [1, 1, 1, 1] });
  heir.lead();
  t.is(heir.propose("").kind, "busy", "etcd-io/raft #11");
  heir.matches(n2, 5);
  t.is(heir.propose("").kind, "accepted");
});

test("a commit is told by the next append, or by itself after a moment", (t) => {
  const { commitNoticeMs } = defaultTimings;
  const node = new Alone({ timings: defaultTimings });
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  node.now += commitNoticeMs;
  node.step({ kind: "tick" });
  node.said();
  node.propose("x");
  node.matches(n2, 2);
  t.is(node.commit, 2);
  const told = (): number[] => node.said("append").map(({ leaderCommit }) => leaderCommit);
  // The entry left before its commit was known.
  t.deepEqual(told(), [1, 1]);
  t.true(node.raft.deadline <= node.now + commitNoticeMs);
  node.propose("y");
  t.deepEqual(told(), [2, 2], "taken along");
  node.matches(n2, 3);
  t.deepEqual(told(), [], "not yet");
  node.now += commitNoticeMs;
  node.step({ kind: "tick" });
  t.deepEqual(told(), [3, 3]);
});
