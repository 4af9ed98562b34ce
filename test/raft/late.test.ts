/** What comes late, twice or for somebody who is something else by now: it must count for nothing. */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { simpleConfiguration } from "../../src/raft/configuration.ts";
import { defaultTimings, type Entry } from "../../src/raft/types.ts";
import { Alone, entry, n1, n2, n3, n4, n5 } from "./alone.ts";

test("grants of a pre-vote that come after the election has begun are no votes", (t) => {
  const node = new Alone({ voters: [n1, n2, n3, n4, n5] });
  node.campaign([n2, n3]);
  t.is(node.kind, "candidate");
  const { term } = node;
  node.hear({ kind: "voteReply", from: n2, term, granted: true });
  for (const from of [n4, n5]) node.hear({ kind: "preVoteReply", from, term, granted: true });
  t.is(node.kind, "candidate", "two of five votes");
  node.hear({ kind: "voteReply", from: n3, term, granted: true });
  t.is(node.kind, "leader");
});

test("refusals of a pre-vote that come after the election has begun are no votes against", (t) => {
  const node = new Alone({ voters: [n1, n2, n3, n4, n5] });
  node.campaign([n2, n3]);
  const { term } = node;
  for (const from of [n3, n4, n5])
    node.hear({ kind: "preVoteReply", from, term: term - 1, granted: false });
  t.is(node.kind, "candidate");
  for (const from of [n2, n3]) node.hear({ kind: "voteReply", from, term, granted: true });
  t.is(node.kind, "leader");
});

test("a candidate that is asked to stand does so already", (t) => {
  const node = new Alone();
  node.campaign([n2, n3]);
  const { term } = node;
  node.said();
  node.hear({ kind: "timeoutNow", from: n2, term });
  t.deepEqual([node.kind, node.term], ["candidate", term]);
  t.deepEqual(node.said(), []);
});

test("an older write reported again takes nothing back from what is durable", (t) => {
  const node = new Alone({ hasFastDisk: false });
  node.hearAppend(n2, 1, [0, 0], [entry(1, 1)]);
  node.persisted();
  node.hearAppend(n2, 1, [1, 1], [entry(2, 1)]);
  node.persisted();
  node.said();
  node.step({ kind: "persisted", write: 1 });
  node.hearAppend(n2, 1, [2, 1], [], 2);
  t.deepEqual(
    node.ready?.messages.map(({ afterWrite }) => afterWrite),
    [0],
    "the answer waits for nothing",
  );
});

test("a follower takes what goes on from before its log begins, and leaves the part it has forgotten alone", (t) => {
  const node = new Alone({ term: 1, log: [1, 1, 1, 1, 1] });
  node.hearAppend(n2, 1, [5, 1], [], 5);
  node.disk.compact(LogIndex(4), node.raft.configurationAsOf(LogIndex(4)));
  node.step({ kind: "compacted", base: { index: LogIndex(4), term: Term(1) } });
  node.said();
  const entries = [3, 4, 5, 6, 7].map((index) => entry(index, 1));
  node.hearAppend(n2, 1, [2, 1], entries, 6);
  t.like(node.said("appendReply"), [{ result: { kind: "matched", matchIndex: LogIndex(7) } }]);
  t.deepEqual([node.raft.base.index, node.raft.lastIndex, node.commit], [4, 7, 6] as never);
  t.is(node.disk.lastIndex, LogIndex(7));
});

test("two truncations that share a write become one, from the lower place on", (t) => {
  const append = (from: typeof n2, prev: readonly [number, number], entries: readonly Entry[]) =>
    ({
      kind: "append",
      from,
      to: n1,
      term: entries[0]?.term ?? Term(0),
      prevIndex: LogIndex(prev[0]),
      prevTerm: Term(prev[1]),
      entries,
      leaderCommit: LogIndex(0),
      healIndex: undefined,
    }) as const;
  const after = (...messages: readonly ReturnType<typeof append>[]): readonly number[] => {
    const node = new Alone({ term: 1, log: [1, 1, 1, 1], hasFastDisk: false });
    for (const message of messages) node.raft.step({ kind: "message", message }, node.now);
    node.turn();
    t.is(node.ready?.persist?.truncateFrom, LogIndex(2));
    node.persisted();
    t.deepEqual(
      node.disk.entries.map(({ term }) => term as number),
      node.log,
    );
    return node.log;
  };
  const lower = append(n3, [1, 1], [entry(2, 3)]);
  t.deepEqual(after(append(n2, [2, 1], [entry(3, 2)]), lower), [1, 3]);
  const higher = append(n3, [2, 2], [entry(3, 3)]);
  t.deepEqual(after(append(n2, [1, 1], [entry(2, 2), entry(3, 2)]), higher), [1, 2, 3]);
});

const snapshot = (index: number, term: number) =>
  ({
    kind: "snapshotStaged",
    snapshot: {
      index: LogIndex(index),
      term: Term(term),
      configuration: simpleConfiguration([n1, n2, n3]),
    },
  }) as const;

test("a snapshot that is there when its leader is not is installed, and told to nobody", (t) => {
  const node = new Alone();
  node.timeOut();
  t.is(node.kind, "preCandidate");
  node.said();
  node.step(snapshot(5, 1));
  t.deepEqual([node.raft.base.index, node.commit, node.kind], [5, 5, "preCandidate"] as never);
  t.deepEqual(node.said("appendReply"), []);
});

test("a snapshot of what the log holds already only tells what is committed", (t) => {
  const node = new Alone();
  node.hearAppend(
    n2,
    1,
    [0, 0],
    [1, 2, 3, 4, 5].map((index) => entry(index, 1)),
  );
  node.said();
  node.step(snapshot(3, 1));
  t.deepEqual([node.raft.base.index, node.commit, node.raft.lastIndex], [0, 3, 5] as never);
  t.like(node.said("appendReply"), [{ result: { kind: "matched", matchIndex: LogIndex(3) } }]);
});

test("only a leader has peers, and only one that has committed in its term is ready", (t) => {
  const node = new Alone();
  const view = () => [node.raft.isReadyLeader, node.raft.noopIndex, node.raft.peer(n2)?.matchIndex];
  t.deepEqual(view(), [false, undefined, undefined]);
  node.lead();
  t.deepEqual(view(), [false, LogIndex(1), LogIndex(0)]);
  node.matches(n2, 1);
  t.deepEqual(view(), [true, LogIndex(1), LogIndex(1)]);
  t.is(node.raft.peer(n4), undefined);
  node.hearHeartbeat(n3, node.term + 1);
  t.deepEqual(view(), [false, undefined, undefined]);
});

/** A peer says in its answer that its log is damaged. */
function isDamaged(node: Alone, from: typeof n2): void {
  node.hear({
    kind: "heartbeatReply",
    from,
    term: node.term,
    readPosition: 0,
    sentAt: node.now,
    damaged: true,
  });
}

test("a damaged peer that was out of reach has to say so again, and hears a newer index (R9)", (t) => {
  const node = new Alone();
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  const healIndex = (): number | undefined => {
    node.said();
    node.now += defaultTimings.heartbeatMs;
    node.step({ kind: "tick" });
    return node.said("heartbeat").find(({ to }) => to === n2)?.healIndex;
  };
  isDamaged(node, n2);
  t.is(healIndex(), LogIndex(1));
  node.propose("x");
  node.step({ kind: "unreachable", peer: n2 });
  t.is(healIndex(), undefined);
  isDamaged(node, n2);
  t.is(healIndex(), LogIndex(2));
});

test("a damaged peer is no heir (R9)", (t) => {
  const node = new Alone();
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  isDamaged(node, n2);
  t.is(node.raft.handOver(n2, node.now).kind, "refused");
  t.is(node.raft.handOver(n3, node.now).kind, "accepted");
});

test("a damaged peer's answer gives no lease (R9, R10)", (t) => {
  const timings = { ...defaultTimings, commitNoticeMs: 0, leaseReads: true };
  const read = (isWhole: boolean): number | undefined => {
    const node = new Alone({ timings });
    node.pass(defaultTimings.electionMinMs);
    node.lead();
    node.matches(n2, 1);
    if (isWhole) node.beats(n2);
    else isDamaged(node, n2);
    node.raft.read(1, node.now);
    node.turn();
    return node.reads.get(1);
  };
  t.is(read(true), 1);
  t.is(read(false), undefined);
});
