/** Handing the leadership over (dissertation §3.10): to whom, how long it may take, what is refused meanwhile. */
import test from "ava";
import { LogIndex } from "../../src/lib/types.ts";
import { defaultTimings } from "../../src/raft/types.ts";
import { Alone, n1, n2, n3, n4 } from "./alone.ts";
import { Cluster } from "./cluster.ts";

const { electionMinMs } = defaultTimings;

/** A leader whose peers hold all of its log. */
function leading(): Alone {
  const node = new Alone();
  node.lead();
  for (const peer of [n2, n3]) node.matches(peer, 1);
  node.said();
  return node;
}

const handOver = (node: Alone, to: typeof n2 | undefined): string => {
  const { kind } = node.raft.handOver(to, node.now);
  node.turn();
  return kind;
};

/** Three nodes, of which one leads and one lags behind; the third is up to date. */
function withLaggard(): { cluster: Cluster; leader: string; laggard: string } {
  const cluster = new Cluster(3, 5);
  cluster.until(() => cluster.leader() !== undefined);
  const leader = cluster.leader() ?? "";
  const laggard = cluster.ids.find((id) => id !== leader) ?? "";
  cluster.isolate(laggard);
  for (let i = 0; i < 10; i += 1) cluster.propose(leader, `${i}`);
  cluster.run(200);
  return { cluster, leader, laggard };
}

test("an heir that holds the whole log is asked to stand at once, and wins past the leader that others hear", (t) => {
  const node = leading();
  t.is(handOver(node, n2), "accepted");
  t.like(node.said("timeoutNow"), [{ to: n2 }]);
  const cluster = new Cluster(3, 1);
  t.true(cluster.until(() => cluster.leader() !== undefined && cluster.committed > 0));
  const before = cluster.now;
  const heir = cluster.ids.find((id) => id !== cluster.leader()) ?? "";
  cluster.run(100);
  cluster.handOver(cluster.leader() ?? "", heir);
  t.true(
    cluster.until(() => cluster.leader() === heir, 100),
    "well under an election time-out",
  );
  t.true(cluster.now - before < electionMinMs);
});

test("a slow heir is brought up to date first (TestLeaderTransferToSlowFollower)", (t) => {
  const { cluster, leader, laggard } = withLaggard();
  cluster.heal();
  cluster.handOver(leader, laggard);
  t.true(
    cluster.until(() => cluster.leader() === laggard, 1_000),
    cluster.describe(),
  );
});

test("an heir that needs a snapshot gets it first (TestLeaderTransferAfterSnapshot)", (t) => {
  const { cluster, leader, laggard } = withLaggard();
  cluster.compact(leader, 0);
  cluster.heal();
  t.true(
    cluster.until(() => cluster.raft(laggard).commitIndex === cluster.raft(leader).commitIndex),
  );
  cluster.run(100);
  t.is(cluster.node(laggard).disk.base.index, cluster.node(leader).disk.base.index);
  cluster.handOver(leader, laggard);
  t.true(
    cluster.until(() => cluster.leader() === laggard, 1_000),
    cluster.describe(),
  );
});

test("an heir that does not take it is given up after an election time-out (TestLeaderTransferTimeout)", (t) => {
  const node = leading();
  node.propose("n3 holds it, n2 does not");
  node.matches(n3, 2);
  handOver(node, n2);
  t.deepEqual(node.said("timeoutNow"), [], "it lacks an entry");
  t.is(node.propose("x").kind, "handingOver");
  for (let ms = 0; ms < electionMinMs; ms += 50) {
    node.beats(n3);
    node.pass(50);
  }
  t.is(node.kind, "leader");
  t.is(node.propose("x").kind, "accepted");
});

test("proposals are refused while it hands over (TestLeaderTransferIgnoreProposal)", (t) => {
  const node = leading();
  handOver(node, n2);
  t.deepEqual(node.propose("x"), { kind: "handingOver", to: n2 });
  t.is(node.raft.lastIndex, LogIndex(1));
});

for (const [what, kind] of [
  ["removed (TestLeaderTransferRemoveNode)", "remove"],
  ["made a learner (TestLeaderTransferDemoteNode)", "addLearner"],
] as const)
  test(`an heir is not ${what} while he is one: an entry more would put others ahead of him`, (t) => {
    const node = leading();
    node.propose("n2 lacks it");
    node.matches(n3, 2);
    handOver(node, n2);
    const request = { changes: [{ kind, node: n2 }], transition: "auto" } as const;
    t.is(node.raft.changeConfiguration(request, node.now).kind, "refused");
    t.is(node.raft.lastIndex, LogIndex(2));
    // When it has not come about, the change may.
    node.now += electionMinMs;
    for (const peer of [n2, n3]) node.matches(peer, 2);
    node.step({ kind: "tick" });
    t.is(node.raft.changeConfiguration(request, node.now).kind, "accepted");
    t.is(handOver(node, n2), "refused", "he has no vote any more");
  });

test("a second handover to another heir takes the place of the first (TestLeaderTransferSecondTransfer)", (t) => {
  const node = leading();
  node.propose("nobody holds it yet");
  handOver(node, n2);
  t.is(handOver(node, n3), "accepted");
  node.matches(n2, 2);
  t.deepEqual(node.said("timeoutNow"), [], "n2 is no heir any more");
  node.matches(n3, 2);
  t.like(node.said("timeoutNow"), [{ to: n3 }]);
});

test("a second handover to the same heir does not begin anew (TestLeaderTransferSecondTransferToSameNode)", (t) => {
  const node = leading();
  node.propose("n2 lacks it");
  handOver(node, n2);
  const end = node.now + electionMinMs;
  for (let ms = 0; ms < electionMinMs - 100; ms += 50) {
    node.beats(n3);
    node.pass(50);
  }
  t.is(handOver(node, n2), "accepted");
  while (node.now < end) {
    node.beats(n3);
    node.pass(50);
  }
  t.is(node.propose("x").kind, "accepted");
});

test("nobody hands over to itself, to a stranger, or to nobody it has heard of late", (t) => {
  const node = leading();
  for (const to of [n1, n4]) t.is(handOver(node, to), "refused");
  t.is(handOver(node, undefined), "accepted");
  const alone = new Alone({ voters: [n1] });
  alone.lead([]);
  t.is(handOver(alone, undefined), "refused");
  t.is(handOver(new Alone(), n2), "notLeader");
});

test("a node asked to stand while it may not stays as it is", (t) => {
  const node = new Alone({ id: n4, voters: [n2, n3], term: 1 });
  node.hear({ kind: "timeoutNow", from: n2, term: 1 });
  t.is(node.kind, "follower");
  t.deepEqual(node.said("vote"), []);
});

test("a leader without room on its disk changes no members", (t) => {
  const node = leading();
  // Nobody was heard of late who could take over.
  node.now += electionMinMs + 1;
  node.step({ kind: "storage", full: true });
  const request = { changes: [{ kind: "remove", node: n3 }], transition: "auto" } as const;
  t.is(node.raft.changeConfiguration(request, node.now).kind, "refused");
});

test("a peer that is no member may be out of reach", (t) => {
  const node = leading();
  node.step({ kind: "unreachable", peer: n4 });
  t.is(node.raft.role.kind, "leader");
});
