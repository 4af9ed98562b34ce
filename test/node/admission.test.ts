/** Whom a node lets talk to it: by its member list, and by what a caller's own list says of a later index. */
import test from "ava";
import { LogIndex, LogTime, NodeId, StoreId } from "../../src/lib/types.ts";
import type { MemberRecord } from "../../src/machine/commands.ts";
import { foreignIncarnation, listing, type Membership } from "../../src/node/admission.ts";

const n2 = NodeId("n2");

/** A list that has n2 with the directory `old`. */
function membership(state: MemberRecord["state"], appliedIndex = 10): Membership {
  const member: MemberRecord = {
    node: n2,
    incarnation: "old",
    boot: "b",
    store: StoreId("s"),
    peerAddress: "h2:2",
    httpAddress: "",
    slots: 1,
    labels: [],
    state,
    since: LogTime(0),
  };
  return {
    machine: { members: new Map([[n2, member]]) },
    state: { appliedIndex: LogIndex(appliedIndex) },
  };
}

test("a wiped member is refused, and says nothing of a list", (t) => {
  const wiped = { node: n2, incarnation: "new" };
  t.regex(foreignIncarnation(membership("up"), wiped) ?? "", /bring back the old directory/);
  t.regex(foreignIncarnation(membership("down"), wiped) ?? "", /bring back the old directory/);
  t.deepEqual(listing(membership("up"), wiped), {});
});

test("who left and was taken in again while this node was away is let in, by his list of a later index", (t) => {
  const again = { node: n2, incarnation: "new" };
  t.is(foreignIncarnation(membership("up"), { ...again, listedAt: 11 }), undefined);
  t.regex(foreignIncarnation(membership("up"), { ...again, listedAt: 10 }) ?? "", /bring back/);
});

test("who is listed says at which index; who left does not, and is refused whatever he says", (t) => {
  const self = { node: n2, incarnation: "old" };
  t.deepEqual(listing(membership("up", 7), self), { listedAt: LogIndex(7) });
  t.deepEqual(listing(membership("down", 7), self), { listedAt: LogIndex(7) });
  t.deepEqual(listing(membership("left", 7), self), {});
  t.is(foreignIncarnation(membership("up"), self), undefined);
  t.regex(foreignIncarnation(membership("left"), { ...self, listedAt: 99 }) ?? "", /was removed/);
});

test("strangers, and who comes back after he left, are let in", (t) => {
  t.is(foreignIncarnation(membership("up"), { node: NodeId("n9"), incarnation: "x" }), undefined);
  t.is(foreignIncarnation(membership("left"), { node: n2, incarnation: "new" }), undefined);
});
