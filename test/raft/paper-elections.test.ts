/**
 * Conformance with the paper's sections 5.1 and 5.2, under the names by which such suites are known. Pre-vote comes
 * before each election here, and what must be durable waits for a disk: the mechanics differ, the rules are the paper's.
 */
import test, { type ExecutionContext } from "ava";
import { LogIndex, type NodeId, Term } from "../../src/lib/types.ts";
import { defaultTimings } from "../../src/raft/types.ts";
import { Alone, entry, n1, n2, n3, n4, n5 } from "./alone.ts";

const { electionMinMs, electionMaxMs, heartbeatMs, retryMinMs, retryMaxMs } = defaultTimings;

/** §5.1: whoever sees a newer term follows in it. */
function followsANewerTerm(t: ExecutionContext, node: Alone): void {
  const term = node.term + 3;
  node.hearAppend(n2, term, [0, 0], []);
  t.is(node.term, term);
  t.is(node.kind, "follower");
  t.is(node.leader, n2);
  t.is(node.disk.hardState.term as number, term, "and it is durable");
}

test("TestFollowerUpdateTermFromMessage: a follower adopts a newer term (§5.1)", (t) => {
  followsANewerTerm(t, new Alone({ term: 1 }));
});

test("TestCandidateUpdateTermFromMessage: a candidate that sees a newer term reverts to follower (§5.1)", (t) => {
  const node = new Alone({ term: 1 });
  node.campaign([n2]);
  t.is(node.kind, "candidate");
  followsANewerTerm(t, node);
});

test("TestLeaderUpdateTermFromMessage: a leader that sees a newer term reverts to follower (§5.1)", (t) => {
  const node = new Alone({ term: 1 });
  node.lead();
  followsANewerTerm(t, node);
});

test("TestRejectStaleTermMessage: a message of an older term changes nothing, and its sender is told (§5.1)", (t) => {
  const node = new Alone({ term: 2, log: [1, 2] });
  node.hearAppend(n2, 1, [1, 1], [entry(2, 1)], 2);
  t.deepEqual(node.log, [1, 2]);
  t.is(node.commit, 0);
  t.is(node.leader, undefined);
  node.hearVote(n3, 1, [9, 1]);
  t.deepEqual(
    node.said().map(({ kind, to, term }) => [kind, to, term as number]),
    [
      ["heartbeatReply", n2, 2],
      ["voteReply", n3, 2],
    ],
  );
});

test("TestStartAsFollower: nodes begin as followers (§5.2)", (t) => {
  t.is(new Alone({ term: 3, log: [1, 3] }).kind, "follower");
});

test("TestLeaderBcastBeat: a leader sends heartbeats to all at its interval (§5.2)", (t) => {
  const node = new Alone();
  node.lead();
  node.said();
  for (let beat = 0; beat < 3; beat += 1) {
    node.pass(heartbeatMs);
    t.deepEqual(
      node.said("heartbeat").map(({ to }) => to),
      [n2, n3],
    );
  }
});

/** §5.2: silence makes it ask around, and with a quorum willing, stand in the next term with its own vote. */
function startsAnElection(t: ExecutionContext, node: Alone, peers: readonly NodeId[]): void {
  const { term } = node;
  node.said();
  node.timeOut();
  t.is(node.kind, "preCandidate");
  t.is(node.term, term, "asking around disturbs nobody");
  t.deepEqual(
    node.said("preVote").map((message) => [message.to, message.term as number]),
    peers.map((to) => [to, term + 1]),
  );
  for (const from of peers)
    node.hear({ kind: "preVoteReply", from, term: term + 1, granted: true });
  t.is(node.kind, "candidate");
  t.is(node.term, term + 1);
  t.deepEqual(node.disk.hardState, { term: Term(term + 1), vote: n1 });
  t.deepEqual(
    node.said("vote").map((message) => [message.to, message.term as number]),
    peers.map((to) => [to, term + 1]),
  );
}

test("TestFollowerStartElection: a follower that hears nobody begins an election (§5.2)", (t) => {
  startsAnElection(t, new Alone({ term: 1 }), [n2, n3]);
});

test("TestCandidateStartNewElection: a candidate that has not won begins another election (§5.2)", (t) => {
  const node = new Alone({ term: 1 });
  node.campaign([n2]);
  t.is(node.kind, "candidate");
  startsAnElection(t, node, [n2, n3]);
});

test("TestLeaderElectionInOneRoundRPC: the answers of one round decide (§5.2)", (t) => {
  const all = [n1, n2, n3, n4, n5];
  const cases: readonly (readonly [number, readonly boolean[], string])[] = [
    [1, [], "leader"],
    [3, [true, true], "leader"],
    [3, [true], "leader"],
    [5, [true, true, true, true], "leader"],
    [5, [true, true, true], "leader"],
    [5, [true, true], "leader"],
    // With a majority against it, it goes back to following.
    [3, [false, false], "follower"],
    [5, [false, false, false, false], "follower"],
    [5, [true, false, false, false], "follower"],
    [3, [], "candidate"],
    [5, [true], "candidate"],
    [5, [false, false], "candidate"],
    [5, [], "candidate"],
  ];
  for (const [size, votes, end] of cases) {
    const voters = all.slice(0, size);
    const node = new Alone({ voters });
    node.campaign(voters.slice(1));
    for (const [i, granted] of votes.entries())
      node.hear({ kind: "voteReply", from: voters[i + 1] ?? n1, term: 1, granted });
    t.is(node.kind, end, `${size} voters, ${votes.join()}`);
    t.is(node.term, 1);
  }
});

test("TestFollowerVote: one vote a term, first come first served (§5.2)", (t) => {
  const cases: readonly (readonly [NodeId | undefined, NodeId, boolean])[] = [
    [undefined, n2, true],
    [undefined, n3, true],
    [n2, n2, true],
    [n3, n3, true],
    [n2, n3, false],
    [n3, n2, false],
  ];
  for (const [vote, from, granted] of cases) {
    const node = new Alone({ term: 1, vote });
    node.hearVote(from, 1, [0, 0]);
    t.like(node.said("voteReply"), [{ to: from, granted }]);
    t.is(node.disk.hardState.vote, vote ?? from);
  }
});

test("TestCandidateFallback: a candidate that hears the leader of its own or a newer term follows it (§5.2)", (t) => {
  for (const term of [1, 2]) {
    const node = new Alone();
    node.campaign([n2]);
    t.is(node.kind, "candidate");
    node.hearAppend(n2, term, [0, 0], []);
    t.is(node.kind, "follower");
    t.is(node.term, term);
    t.is(node.leader, n2);
  }
});

/** The waits of many tries, as lengths of the deadlines drawn. */
function drawn(count: number, draw: (seed: number) => number): readonly number[] {
  return Array.from({ length: count }, (_, seed) => draw(seed + 1));
}

function isSpread(t: ExecutionContext, waits: readonly number[], min: number, max: number): void {
  t.true(
    waits.every((ms) => ms >= min && ms <= max),
    `${Math.min(...waits)}..${Math.max(...waits)}`,
  );
  // Ten equal parts of the range: none is left out in a thousand draws.
  const parts = new Set(waits.map((ms) => Math.floor(((ms - min) * 10) / (max - min + 1))));
  t.is(parts.size, 10);
}

const followerWait = (seed: number): number => {
  const node = new Alone({ seed });
  node.hearHeartbeat(n2, 1);
  return node.raft.deadline - node.now;
};

const candidateWait = (seed: number): number => {
  const node = new Alone({ seed });
  node.campaign([n2]);
  return node.raft.deadline - node.now;
};

test("TestFollowerElectionTimeoutRandomized: a follower's patience is drawn anew from a fixed range (§5.2)", (t) => {
  isSpread(t, drawn(1_000, followerWait), electionMinMs, electionMaxMs);
  const node = new Alone();
  const waits = drawn(50, () => {
    node.pass(1);
    node.hearHeartbeat(n2, 1);
    return node.raft.deadline - node.now;
  });
  t.true(new Set(waits).size > 10, "at each contact");
});

test("TestCandidateElectionTimeoutRandomized: so is a candidate's time to its next try (§5.2)", (t) => {
  isSpread(t, drawn(1_000, candidateWait), retryMinMs, retryMaxMs);
});

/** In how many of a thousand elections among five the first to lose patience is not alone for a round trip. */
function conflicts(wait: (seed: number) => number): number {
  let count = 0;
  for (let i = 0; i < 1_000; i += 1) {
    const [first = 0, second = 0] = drawn(5, (seed) => wait(i * 5 + seed)).toSorted(
      (a, b) => a - b,
    );
    // Two messages over a local network take well under this, in ms.
    if (second - first < 2) count += 1;
  }
  return count;
}

test("TestFollowersElectionTimeoutNonconflict: mostly one follower alone runs out of patience first (§5.2)", (t) => {
  t.true(conflicts(followerWait) < 100);
});

test("TestCandidatesElectionTimeoutNonconflict: mostly one candidate alone tries again first (§5.2)", (t) => {
  t.true(conflicts(candidateWait) < 150);
});

test("TestVoteRequest: a candidate's requests carry its term and the end of its log, to everybody (§5.4.1)", (t) => {
  for (const [log, term] of [
    [[1], 2],
    [[1, 2], 3],
  ] as const) {
    const node = new Alone();
    node.hearAppend(
      n2,
      term - 1,
      [0, 0],
      log.map((each, i) => entry(i + 1, each)),
    );
    node.said();
    node.campaign([n2]);
    t.like(
      node.said("vote"),
      [n2, n3].map((to) => ({
        to,
        term: Term(term),
        lastIndex: LogIndex(log.length),
        lastTerm: Term(log.at(-1) ?? 0),
      })),
    );
  }
});

test("TestVoter: a voter denies its vote if its own log is more up to date (§5.4.1)", (t) => {
  const cases: readonly (readonly [readonly number[], number, number, boolean])[] = [
    // Same last term: the longer log wins.
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    // The candidate's last term is newer.
    [[1], 1, 2, true],
    [[1], 2, 2, true],
    [[1, 1], 1, 2, true],
    // The voter's is.
    [[2], 1, 1, false],
    [[2], 2, 1, false],
    [[1, 2], 1, 1, false],
  ];
  for (const [log, lastIndex, lastTerm, granted] of cases) {
    const node = new Alone({ log, term: 2 });
    node.hearVote(n2, 3, [lastIndex, lastTerm]);
    t.like(node.said("voteReply"), [{ granted }], `${log.join()} against ${lastIndex}/${lastTerm}`);
  }
});
