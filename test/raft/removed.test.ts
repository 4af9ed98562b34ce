/** Who may stand for election while a change of the configuration is not committed. */
import test from "ava";
import { simpleConfiguration } from "../../src/raft/configuration.ts";
import { Alone, configurationEntry, entry, n1, n3 } from "./alone.ts";

const without = configurationEntry(2, 1, simpleConfiguration([n1]));

test("a node removed by a change that is not committed still stands: its log may be the only one long enough (§4.2.2)", (t) => {
  const node = new Alone({ id: n3, voters: [n1, n3], term: 1, entries: [entry(1, 1), without] });
  node.campaign([n1]);
  t.is(node.kind, "candidate");
  node.hear({ kind: "voteReply", from: n1, term: 2, granted: true });
  t.is(node.kind, "leader");
  // It commits what removes it without counting itself, and goes.
  t.is(node.commit, 0);
  node.matches(n1, 3);
  t.is(node.commit, 3);
  t.like(node.said("timeoutNow"), [{ to: n1 }]);
  node.pass(1_000);
  t.is(node.kind, "follower");
});

test("a node that knows its removal to be committed does not stand", (t) => {
  const node = new Alone({ id: n3, voters: [n1, n3], term: 1, entries: [entry(1, 1), without] });
  node.hearHeartbeat(n1, 1, 2);
  t.is(node.commit, 2);
  node.pass(5_000);
  t.deepEqual(node.said("preVote"), []);
  t.is(node.kind, "follower");
});
