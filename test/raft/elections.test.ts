/** Elections beyond the paper: pre-vote, who may disturb whom, and how a node that fell behind gets on. */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { defaultTimings } from "../../src/raft/types.ts";
import { Alone, n1, n2, n3 } from "./alone.ts";
import { Cluster } from "./cluster.ts";

const { electionMinMs, electionMaxMs } = defaultTimings;

/** Three nodes at rest under a leader. */
function group(seed: number): { cluster: Cluster; leader: string; others: readonly string[] } {
  const cluster = new Cluster(3, seed);
  cluster.until(() => cluster.committed > 0 && cluster.leader() !== undefined);
  cluster.run(200);
  const leader = cluster.leader() ?? "";
  return { cluster, leader, others: cluster.ids.filter((id) => id !== leader) };
}

test("of two that ask around at once, the one with the shorter log raises no term (TestDuelingPreCandidates)", (t) => {
  const { cluster, leader, others } = group(1);
  const [behind = "", level = ""] = others;
  cluster.isolate(behind);
  cluster.propose(leader, "behind lacks it");
  cluster.run(100);
  const { term } = cluster.raft(behind).role;
  cluster.run(5_000);
  t.is(cluster.raft(behind).role.term, term, "alone it asks and asks");
  cluster.crash(leader);
  cluster.heal();
  t.true(
    cluster.until(() => cluster.leader() === level, 5_000),
    cluster.describe(),
  );
  cluster.run(500);
  t.is(cluster.raft(behind).role.leader as string | undefined, level);
});

test("a node back from a partition disturbs nobody (TestDisruptiveFollowerPreVote)", (t) => {
  const { cluster, leader, others } = group(2);
  const [away = ""] = others;
  const { term } = cluster.raft(leader).role;
  cluster.isolate(away);
  cluster.run(5_000);
  cluster.heal();
  cluster.run(2_000);
  t.like(cluster.raft(leader).role, { kind: "leader", term });
  t.like(cluster.raft(away).role, { kind: "follower", term });
});

test("a vote asked of one that hears its leader changes neither its term nor its mind (TestDisruptiveFollower)", (t) => {
  const node = new Alone({ term: 1 });
  node.hearHeartbeat(n2, 1);
  node.said();
  node.hearVote(n3, 5, [9, 4]);
  t.is(node.term, 1);
  t.deepEqual(node.said(), []);
  node.now += electionMinMs;
  node.hearVote(n3, 5, [9, 4]);
  t.is(node.term, 5);
  t.like(node.said("voteReply"), [{ granted: true }]);
});

test("a node alone in a newer term pulls the leader into it, and gets on (TestFreeStuckCandidateWithCheckQuorum)", (t) => {
  const node = new Alone({ term: 1 });
  node.lead();
  const term = node.term;
  // n3 stood in a newer term while it could not be heard. It hears the leader again and answers with its own.
  node.hear({
    kind: "heartbeatReply",
    from: n3,
    term: term + 5,
    readPosition: 0,
    sentAt: 0,
    damaged: false,
  });
  t.is(node.kind, "follower");
  t.is(node.term, term + 5);
  const stuck = new Alone({ id: n3, term: 7 });
  stuck.hearHeartbeat(n2, 2);
  t.like(stuck.said("heartbeatReply"), [{ term: 7 }]);
});

test("a refusal tells a newer term, and it is adopted and tried again soon (openraft #1796)", (t) => {
  const node = new Alone({ term: 1 });
  node.timeOut();
  node.hear({ kind: "preVoteReply", from: n2, term: 6, granted: false });
  t.is(node.term, 6);
  t.true(node.raft.deadline - node.now < electionMinMs);
});

test("a node whose log is ahead of its term, after an installation cut short, begins in the log's term", (t) => {
  const node = new Alone({ term: 1, vote: n2, log: [1, 3] });
  t.is(node.term, 3);
  node.hearHeartbeat(n3, 3);
  t.deepEqual(
    node.disk.hardState,
    { term: Term(3), vote: undefined },
    "which its first write says",
  );
  const other = new Alone({ term: 1, log: [1, 3] });
  other.campaign([n2]);
  t.is(other.term, 4, "term 3 had its leader");
});

test("a leader that a quorum does not answer steps down within its time-out and falls silent (openraft #2080)", (t) => {
  const node = new Alone();
  node.lead();
  node.said();
  node.pass(electionMinMs * 1.5);
  t.is(node.kind, "follower");
  node.said();
  node.pass(100);
  t.deepEqual(node.said("heartbeat"), []);
});

test("stepping down in its own term it keeps its vote (NATS #7698, CCF #8094)", (t) => {
  const node = new Alone();
  node.lead();
  node.pass(electionMinMs * 1.5);
  t.is(node.kind, "follower");
  t.is(node.term, 1);
  node.hearVote(n3, 1, [9, 1]);
  t.like(node.said("voteReply"), [{ granted: false }]);
});

test("a damaged, a full and a learning node do not stand, and the others do without them", (t) => {
  const full = new Alone();
  full.step({ kind: "storage", full: true });
  full.pass(electionMaxMs * 3);
  t.is(full.kind, "follower");
  t.deepEqual(full.said("preVote"), []);
  full.step({ kind: "storage", full: false });
  full.pass(electionMaxMs);
  t.is(full.kind, "preCandidate");
});

test("reads wait for an entry of the leader's own term (TestReadOnlyForNewLeader)", (t) => {
  const node = new Alone({ term: 1, log: [1, 1] });
  node.lead();
  node.raft.read(7, node.now);
  node.turn();
  // A quorum confirms that it leads; what earlier leaders committed it does not know yet (etcd #7331).
  node.beats(n2, 1);
  t.false(node.reads.has(7));
  node.matches(n2, 3);
  t.is(node.reads.get(7), LogIndex(3));
});

test("a doubled or late answer confirms no newer read (TestReadOnlyDuplicateRequest, etcd #20418)", (t) => {
  const node = new Alone();
  node.lead();
  node.matches(n2, 1);
  node.raft.read(1, node.now);
  node.turn();
  node.beats(n2, 1);
  t.is(node.reads.get(1), LogIndex(1));
  node.raft.read(2, node.now);
  node.turn();
  for (let i = 0; i < 3; i += 1) node.beats(n2, 1);
  node.beats(n3, 0);
  t.false(node.reads.has(2));
  node.beats(n3, 2);
  t.is(node.reads.get(2), LogIndex(1));
});

for (const [syncMs, withinMs] of [
  [100, 2_000],
  [300, 5_000],
  [1_000, 15_000],
] as const)
  test(`disks that take ${syncMs} ms a write elect a leader all the same`, (t) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const cluster = new Cluster(3, seed, { oneWriteAtATime: true, hasTurns: true });
      cluster.network.syncMs = syncMs;
      t.true(
        cluster.until(() => cluster.committed > 0, withinMs),
        cluster.describe(),
      );
    }
  });

test("a dead leader is followed quickly, on disks slower than the survivors' hurry too", (t) => {
  for (const syncMs of [1, 60, 150])
    for (let seed = 1; seed <= 10; seed += 1) {
      const cluster = new Cluster(3, seed, { oneWriteAtATime: true, hasTurns: true });
      t.true(cluster.until(() => cluster.committed > 0));
      cluster.run(200);
      cluster.network.syncMs = syncMs;
      const leader = cluster.leader() ?? "";
      const before = cluster.committed;
      cluster.crash(leader);
      cluster.died(leader);
      t.true(
        cluster.until(() => cluster.committed > before, 100 + 10 * syncMs),
        `${syncMs} ms`,
      );
    }
});

test("who leads nobody asks for no tick, until there is somebody to lead", (t) => {
  const node = new Alone({ voters: [n1] });
  node.timeOut();
  t.is(node.kind, "leader");
  t.is(node.raft.deadline, Infinity);
  node.now += 10 * electionMaxMs;
  const request = { changes: [{ kind: "addLearner", node: n2 }], transition: "auto" } as const;
  t.is(node.raft.changeConfiguration(request, node.now).kind, "accepted");
  node.turn();
  node.said();
  t.true(node.raft.deadline <= node.now, "the newcomer hears of it at once");
  node.step({ kind: "tick" });
  t.like(node.said("heartbeat"), [{ to: n2 }]);
  t.is(node.kind, "leader", "a learner that has not answered yet unseats nobody");
  t.is(node.raft.deadline, node.now + Math.min(defaultTimings.heartbeatMs, electionMinMs / 2));
});
