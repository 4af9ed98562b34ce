/** Snapshots as consensus sees them: when one is offered, when it is taken, and how a transfer ends. */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { simpleConfiguration } from "../../src/raft/configuration.ts";
import type { SnapshotMeta } from "../../src/raft/types.ts";
import { Alone, configurationEntry, entry, n1, n2, n3, n4, n5 } from "./alone.ts";

const snapshot = (index: number, term: number, voters = [n1, n2, n3]): SnapshotMeta => ({
  index: LogIndex(index),
  term: Term(term),
  configuration: simpleConfiguration(voters),
});

/** A leader with ten entries of which it has forgotten nine, and n2 that has none of them. */
function leading(): Alone {
  const node = new Alone({ term: 1, log: Array.from({ length: 9 }, () => 1) });
  node.lead([n3]);
  node.matches(n3, 10);
  const base = { index: LogIndex(9), term: Term(1) };
  node.disk.compact(LogIndex(9), node.raft.configurationAsOf(LogIndex(9)));
  node.step({ kind: "compacted", base });
  node.said();
  node.hear({
    kind: "appendReply",
    from: n2,
    term: 2,
    result: { kind: "conflict", prevIndex: LogIndex(9), hintIndex: LogIndex(0), hintTerm: Term(0) },
    damaged: false,
  });
  return node;
}

test("a follower that needs what is forgotten is offered a snapshot, and sent nothing meanwhile (TestPendingSnapshotPauseReplication)", (t) => {
  const node = leading();
  t.like(node.said("snapshotOffer"), [{ to: n2, index: LogIndex(9) }]);
  t.is(node.raft.peers.get(n2)?.state, "snapshot");
  node.propose("x");
  t.deepEqual(
    node.said("append").filter(({ to }) => to === n2),
    [],
  );
});

test("a transfer that breaks off is offered again as long as the follower answers (TestSnapshotFailure)", (t) => {
  const node = leading();
  node.said();
  node.beats(n2);
  t.like(node.said("snapshotOffer"), [{ to: n2 }]);
});

test("a follower that has it is served from the log again, whichever snapshot it was (TestSnapshotSucceed, etcd #10308)", (t) => {
  for (const has of [9, 10]) {
    const node = leading();
    node.said();
    node.matches(n2, has);
    t.is(node.raft.peers.get(n2)?.state, "replicate");
    node.propose("x");
    t.is(
      node
        .said("append")
        .findLast(({ to }) => to === n2)
        ?.entries.at(-1)?.index,
      LogIndex(11),
    );
  }
});

test("a snapshot that ends before the leader's log begins does not end the search (raft #110)", (t) => {
  const node = leading();
  node.said();
  node.matches(n2, 5);
  t.is(node.raft.peers.get(n2)?.state, "snapshot");
});

test("a snapshot is taken beyond the commit index only (TestRestoreIgnoreSnapshot, R11)", (t) => {
  const node = new Alone({ id: n1, term: 1, log: [1, 1, 1] });
  node.hearHeartbeat(n2, 1, 3);
  node.step({ kind: "snapshotStaged", snapshot: snapshot(2, 1) });
  t.is(node.ready?.persist?.install, undefined);
  t.is(node.raft.base.index, LogIndex(0));
});

test("a transfer that comes late, after the log was compacted further, takes nothing back (R4)", (t) => {
  const node = new Alone({ id: n1, term: 1, log: [1, 1, 1] });
  node.hearHeartbeat(n2, 1, 3);
  node.disk.compact(LogIndex(3), node.raft.configurationAsOf(LogIndex(3)));
  node.step({ kind: "compacted", base: { index: LogIndex(3), term: Term(1) } });
  node.step({ kind: "snapshotStaged", snapshot: snapshot(2, 1) });
  t.is(node.commit, 3);
  t.is(node.raft.base.index, LogIndex(3));
  t.is(node.ready?.persist, undefined);
});

test("a snapshot whose last entry the log holds only says what is committed (§7)", (t) => {
  const node = new Alone({ id: n1, term: 1, log: [1, 1, 1] });
  node.hearHeartbeat(n2, 1, 0);
  node.said();
  node.step({ kind: "snapshotStaged", snapshot: snapshot(2, 1) });
  t.deepEqual(node.log, [1, 1, 1]);
  t.is(node.commit, 2);
  t.like(node.said("appendReply"), [{ result: { kind: "matched", matchIndex: LogIndex(2) } }]);
});

test("a snapshot replaces a log that does not agree with it, the configuration included (openraft #1808)", (t) => {
  const stale = configurationEntry(2, 1, simpleConfiguration([n1, n4, n5]));
  const entries = [entry(1, 1), stale, entry(3, 1)];
  const node = new Alone({ id: n1, term: 2, entries, hasFastDisk: false });
  t.deepEqual(node.raft.configuration.voters, [n1, n4, n5]);
  node.hearHeartbeat(n2, 2, 0);
  node.persisted();
  node.said();
  node.step({ kind: "snapshotStaged", snapshot: snapshot(2, 2) });
  t.deepEqual(node.raft.configuration.voters, [n1, n2, n3]);
  t.is(node.raft.lastIndex, LogIndex(2));
  t.is(node.ready?.persist?.install?.index, LogIndex(2));
  t.is(node.ready?.applyTo, LogIndex(0), "nothing of the new log is durable yet");
  t.deepEqual(node.said("appendReply"), []);
  node.persisted();
  t.is(node.ready?.applyTo, LogIndex(2));
  t.like(node.said("appendReply"), [{ result: { kind: "matched", matchIndex: LogIndex(2) } }]);
});

test("a leader takes no snapshot", (t) => {
  const node = new Alone();
  node.lead();
  node.step({ kind: "snapshotStaged", snapshot: snapshot(9, 1) });
  t.is(node.raft.lastIndex, LogIndex(1));
});
