/** Conformance with the paper's sections 5.3 and 5.4, under the names by which such suites are known. */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { Alone, entry, n1, n2, n3, n4, n5 } from "./alone.ts";

/** A leader of term 1 whose first entry is committed everywhere. */
function leading(): Alone {
  const node = new Alone();
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  node.said();
  return node;
}

test("TestLeaderStartReplication: a leader appends a proposal and sends it to all, to be committed later (§5.3)", (t) => {
  const node = leading();
  t.is(node.propose("some data").kind, "accepted");
  t.is(node.raft.lastIndex as number, 2);
  t.is(node.commit, 1);
  const said = node.said("append").filter(({ entries }) => entries.length > 0);
  t.like(
    said,
    [n2, n3].map((to) => ({
      to,
      prevIndex: LogIndex(1),
      prevTerm: Term(1),
      leaderCommit: LogIndex(1),
    })),
  );
  for (const { entries } of said)
    t.like(entries, [{ index: LogIndex(2), term: Term(1), data: entry(2, 1, "some data").data }]);
});

test("TestLeaderCommitEntry: a leader commits what a majority holds, applies it and tells the others (§5.3)", (t) => {
  const node = leading();
  node.propose("some data");
  node.said();
  node.matches(n2, 2);
  t.is(node.commit, 2);
  t.is((node.ready?.applyTo ?? 0) as number, 2);
  node.matches(n3, 2);
  for (const { leaderCommit } of node.said("append")) t.is(leaderCommit as number, 2);
});

test("TestLeaderAcknowledgeCommit: an entry is committed once a majority holds it, the leader included (§5.3)", (t) => {
  const all = [n1, n2, n3, n4, n5];
  const cases: readonly (readonly [number, number, boolean])[] = [
    [1, 0, true],
    [3, 0, false],
    [3, 1, true],
    [3, 2, true],
    [5, 0, false],
    [5, 1, false],
    [5, 2, true],
    [5, 3, true],
    [5, 4, true],
  ];
  for (const [size, acknowledged, isCommitted] of cases) {
    const voters = all.slice(0, size);
    const node = new Alone({ voters });
    node.lead(voters.slice(1));
    for (const peer of voters.slice(1)) node.matches(peer, 1);
    node.propose("some data");
    for (const peer of voters.slice(1, 1 + acknowledged)) node.matches(peer, 2);
    t.is(node.commit >= 2, isCommitted, `${acknowledged} of ${size}`);
  }
});

test("TestLeaderAcknowledgeCommit: the leader's own copy counts only when it is durable (§10.2.1 of the dissertation)", (t) => {
  const node = new Alone({ hasFastDisk: false });
  node.timeOut();
  node.hear({ kind: "preVoteReply", from: n2, term: 1, granted: true });
  node.persisted();
  node.hear({ kind: "voteReply", from: n2, term: 1, granted: true });
  t.is(node.kind, "leader");
  node.matches(n2, 1);
  t.is(node.commit, 0, "one durable copy of three");
  node.persisted();
  t.is(node.commit, 1);
  node.propose("some data");
  node.matches(n2, 2);
  node.matches(n3, 2);
  t.is(node.commit, 2, "two others suffice");
  t.is((node.ready?.applyTo ?? 0) as number, 1, "but it is applied when durable here (R6)");
});

test("TestLeaderCommitPrecedingEntries: committing an entry commits all before it, also of earlier leaders (§5.3)", (t) => {
  for (const log of [[], [2], [1, 2], [1]]) {
    const node = new Alone({ log, term: 2 });
    node.lead();
    node.propose("some data");
    const last = log.length + 2;
    node.matches(n2, last);
    t.is(node.term, 3);
    t.deepEqual(node.log, [...log, 3, 3]);
    t.is(node.commit, last);
  }
});

test("TestFollowerCommitEntry: a follower applies in order what it learns to be committed (§5.3)", (t) => {
  for (const [count, commit] of [
    [1, 1],
    [2, 2],
    [2, 1],
  ] as const) {
    const node = new Alone();
    const entries = Array.from({ length: count }, (_, i) => entry(i + 1, 1, `data ${i}`));
    node.hearAppend(n2, 1, [0, 0], entries, commit);
    t.is(node.commit, commit);
    t.is((node.ready?.applyTo ?? 0) as number, commit);
    t.deepEqual(node.raft.entries(LogIndex(1), 10_000), entries);
  }
});

test("TestFollowerCheckMsgApp: a follower refuses entries that do not continue its log (§5.3)", (t) => {
  const log = [1, 2];
  const cases: readonly (readonly [number, number, readonly [number, number] | undefined])[] = [
    // What is committed, or matches, is accepted.
    [0, 0, undefined],
    [1, 1, undefined],
    [2, 2, undefined],
    // Another term there; no entry there: with a hint where to go on.
    [1, 2, [1, 1]],
    [2, 3, [2, 2]],
    [3, 3, [2, 2]],
  ];
  for (const [prevIndex, prevTerm, hint] of cases) {
    const node = new Alone({ log, term: 3 });
    node.hearAppend(n2, 3, [prevIndex, prevTerm], []);
    const [reply] = node.said("appendReply");
    if (hint === undefined)
      t.deepEqual(reply?.result, { kind: "matched", matchIndex: LogIndex(prevIndex) });
    else
      t.deepEqual(reply?.result, {
        kind: "conflict",
        prevIndex: LogIndex(prevIndex),
        hintIndex: LogIndex(hint[0]),
        hintTerm: Term(hint[1]),
      });
  }
});

test("TestFollowerAppendEntries: a follower replaces what conflicts and appends what is new (§5.3)", (t) => {
  const cases: readonly (readonly [number, number, readonly number[], readonly number[]])[] = [
    [2, 2, [3], [1, 2, 3]],
    [1, 1, [3, 4], [1, 3, 4]],
    [0, 0, [1], [1, 2]],
    [0, 0, [3], [3]],
  ];
  for (const [prevIndex, prevTerm, terms, end] of cases) {
    const node = new Alone({ log: [1, 2], term: 4 });
    node.hearAppend(
      n2,
      4,
      [prevIndex, prevTerm],
      terms.map((each, i) => entry(prevIndex + 1 + i, each)),
    );
    t.deepEqual(node.log, [...end]);
    t.deepEqual(
      node.disk.entries.map(({ term }) => term as number),
      [...end],
      "on its disk too",
    );
  }
});

test("TestFollowerAppendEntries: an answer leaves only when what it says is durable (R5)", (t) => {
  const node = new Alone({ hasFastDisk: false });
  node.hearAppend(n2, 1, [0, 0], [entry(1, 1)]);
  t.deepEqual(node.said("appendReply"), []);
  node.persisted();
  t.like(node.said("appendReply"), [{ result: { kind: "matched", matchIndex: LogIndex(1) } }]);
});

/** The seven logs of Figure 7. */
const figure7: readonly (readonly number[])[] = [
  [1, 1, 1, 4, 4, 5, 5, 6, 6],
  [1, 1, 1, 4],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  [1, 1, 1, 4, 4, 4, 4],
  [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
];

test("TestLeaderSyncFollowerLog: a leader brings any follower's log into line with its own (Figure 7, §5.3)", (t) => {
  const log = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const theirs of figure7) {
    const leader = new Alone({ log, term: 7 });
    const follower = new Alone({ id: n2, log: theirs, term: 7 });
    leader.lead([n3]);
    t.is(leader.term, 8);
    // A round a line of the exchange: more than enough for logs of this length, even entry by entry.
    for (let round = 0; round < 30; round += 1) {
      for (const message of leader.said())
        if (message.to === n2) follower.step({ kind: "message", message });
      for (const message of follower.said()) leader.step({ kind: "message", message });
      leader.pass(50);
    }
    t.deepEqual(follower.log, [...log, 8], theirs.join());
    t.is(follower.commit, 11);
  }
});

test("TestLeaderOnlyCommitsLogFromCurrentTerm: entries of earlier terms are not committed by counting copies (Figure 8, §5.4.2)", (t) => {
  for (const [index, commit] of [
    [1, 0],
    [2, 0],
    [3, 3],
  ] as const) {
    const node = new Alone({ log: [1, 2], term: 2 });
    node.lead();
    t.is(node.term, 3);
    node.matches(n2, index);
    t.is(node.commit, commit, `a majority holds ${index}`);
  }
});
