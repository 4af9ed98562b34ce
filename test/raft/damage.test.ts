/** R9: what a damaged node may do, and when it is whole again. */
import test from "ava";
import { LogIndex, NodeId, Term } from "../../src/lib/types.ts";
import { simpleConfiguration } from "../../src/raft/configuration.ts";
import { Raft } from "../../src/raft/core.ts";
import { defaultLimits, defaultTimings, type Message, type Ready } from "../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";

const n1 = NodeId("n1");
const n2 = NodeId("n2");
const n3 = NodeId("n3");

function damagedNode(lastIndex = 0): Raft {
  const end = { index: LogIndex(lastIndex), term: Term(lastIndex === 0 ? 0 : 3) };
  return new Raft(
    {
      id: n1,
      configurations: [{ index: LogIndex(0), configuration: simpleConfiguration([n1, n2, n3]) }],
      timings: defaultTimings,
      limits: defaultLimits,
      seed: 1,
      now: 0,
      hardState: { term: Term(3), vote: undefined },
      base: end,
      lastIndex: end.index,
      lastTerm: end.term,
      appliedIndex: end.index,
      damaged: true,
    },
    { log: { read: () => [] } },
  );
}

const persist = (raft: Raft, now: number): Ready => {
  const ready = raft.takeReady();
  if (ready.persist !== undefined)
    raft.step({ kind: "persisted", write: ready.persist.write }, now);
  return ready;
};

const entry = (index: number, term: number) =>
  ({ index: LogIndex(index), term: Term(term), kind: "noop", data: new Uint8Array(0) }) as const;

const append = (to: number, healIndex: number | undefined): Message => ({
  kind: "append",
  from: n2,
  to: n1,
  term: Term(4),
  prevIndex: LogIndex(0),
  prevTerm: Term(0),
  entries: Array.from({ length: to }, (_, i) => entry(i + 1, 4)),
  leaderCommit: LogIndex(0),
  healIndex: healIndex === undefined ? undefined : LogIndex(healIndex),
});

test("a damaged node that lacks nothing is whole without a new entry", (t) => {
  const raft = damagedNode(5);
  const offer = { from: n2, to: n1, term: Term(4), index: LogIndex(3), healIndex: LogIndex(5) };
  raft.step({ kind: "message", message: { kind: "snapshotOffer", ...offer } }, 10);
  t.true(persist(raft, 20).healed);
  t.false(raft.isDamaged);
});

test("a damaged node grants no vote and no pre-vote, and does not stand itself", (t) => {
  const raft = damagedNode();
  const ask = { from: n2, to: n1, term: Term(4), lastIndex: LogIndex(9), lastTerm: Term(3) };
  raft.step({ kind: "message", message: { kind: "preVote", ...ask } }, 2_000);
  raft.step({ kind: "message", message: { kind: "vote", ...ask, handover: false } }, 2_000);
  raft.step({ kind: "tick" }, 5_000);
  const answers = raft.takeReady().messages.map(({ message }) => message);
  t.deepEqual(
    answers.map((message) => [message.kind, "granted" in message && message.granted]),
    [
      ["preVoteReply", false],
      ["voteReply", false],
    ],
  );
  t.is(raft.role.kind, "follower");
});

test("it is whole only when durable up to the index its leader named, and then votes for nobody else in that term", (t) => {
  const raft = damagedNode();
  raft.step({ kind: "message", message: append(2, 3) }, 10);
  t.true(raft.isDamaged, "nothing is durable yet");
  persist(raft, 11);
  raft.takeReady();
  t.true(raft.isDamaged, "the leader named index 3");
  raft.step({ kind: "message", message: append(3, 3) }, 12);
  persist(raft, 13);
  const ready = raft.takeReady();
  t.false(raft.isDamaged);
  t.true(ready.healed);
  t.deepEqual(ready.persist?.hardState, { term: Term(4), vote: n2 });
});

test("a leader counts no acknowledgement of a damaged node until it is whole", (t) => {
  const cluster = new Cluster(3, 7);
  t.true(cluster.until(() => cluster.leader() !== undefined));
  const leader = cluster.leader() ?? "";
  const [victim = "", third = ""] = [...cluster.nodes.keys()].filter((id) => id !== leader);
  for (let i = 0; i < 5; i += 1) cluster.propose(leader, `before ${i}`);
  t.true(cluster.until(() => [...cluster.nodes.values()].every(({ applied }) => applied >= 6)));
  cluster.crash(victim);
  cluster.damage(victim, 2, false);
  // The leader and the damaged node are two of three, but not a quorum while one is damaged and cut from healing.
  cluster.crash(third);
  cluster.network.cut.add(`${leader}>${victim}`);
  cluster.propose(leader, "alone");
  cluster.run(300);
  t.is(cluster.committed, 6);
  cluster.heal();
  t.true(
    cluster.until(() => cluster.checks.truth.text(cluster.committed) === "alone"),
    cluster.describe(),
  );
  t.false(cluster.raft(victim).isDamaged);
});
