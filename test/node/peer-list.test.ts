/** Whom a node dials: by the member list, by what it was told at first, and by who calls. */
import test from "ava";
import { LogTime, NodeId, StoreId } from "../../src/lib/types.ts";
import type { MemberRecord } from "../../src/machine/commands.ts";
import { Callers, callersKept, partingMs, peerAddresses } from "../../src/node/peer-list.ts";
import type { Identity } from "../../src/node/stores/identity.ts";

const n1 = NodeId("n1");
const n2 = NodeId("n2");
const n4 = NodeId("n4");

/** Of another directory than the list knows. */
const other = { incarnation: "other" };

const identity: Identity = {
  format: 1,
  cluster: "c",
  generation: 1,
  node: "n1",
  incarnation: "i",
  founders: [
    { name: "n1", host: "h1", port: 1 },
    { name: "n2", host: "h2", port: 2 },
  ],
};

function member(node: NodeId, peerAddress: string, state: MemberRecord["state"]): MemberRecord {
  return {
    node,
    incarnation: "i",
    boot: "b",
    store: StoreId(`s-${node}`),
    peerAddress,
    httpAddress: "",
    slots: 1,
    labels: [],
    state,
    since: LogTime(0),
  };
}

test("who knows no members dials the founders, and whoever calls at the address that he gives", (t) => {
  const callers = new Callers();
  t.deepEqual([...peerAddresses(identity, new Map())], [[n2, { host: "h2", port: 2 }]]);
  t.true(callers.called({ ...other, node: n4, address: "h4:4" }));
  t.true(callers.called({ ...other, node: n2, address: "moved:22" }));
  t.false(callers.called({ ...other, node: n2, address: "moved:22" }), "that is known");
  t.false(callers.called({ ...other, node: n2, address: "nonsense" }));
  t.false(callers.called({ ...other, node: NodeId("old") }), "an older version");
  t.deepEqual(
    [...peerAddresses(identity, new Map(), callers.all)],
    [
      [n2, { host: "moved", port: 22 }],
      [n4, { host: "h4", port: 4 }],
    ],
  );
});

test("the member list has the last word, and callers in it are forgotten", (t) => {
  const callers = new Callers();
  callers.called({ incarnation: "i", node: n2, address: "lies:9" });
  callers.called({ ...other, node: n4, address: "h4:4" });
  const members = new Map([
    [n2, member(n2, "listed:7", "down")],
    [n4, { ...member(n4, "h4:4", "left"), ...other }],
  ]);
  const now = partingMs + 1;
  t.deepEqual(
    [...peerAddresses(identity, members, callers.all, now)],
    [[n2, { host: "listed", port: 7 }]],
  );
  callers.forget(members.values());
  t.is(callers.all.size, 0);
  t.false(peerAddresses(identity, new Map([[n1, member(n1, "h1:1", "up")]])).has(n1), "not itself");
});

test("who has left by the list and calls under another directory has come back, until the list knows it", (t) => {
  const callers = new Callers();
  const left = new Map([[n4, member(n4, "old:4", "left")]]);
  const dialled = (now: number) => peerAddresses(identity, left, callers.all, now).get(n4);
  t.true(callers.called({ incarnation: "i", node: n4, address: "old:4" }));
  t.is(dialled(partingMs + 1), undefined, "the one who left");
  t.true(callers.called({ ...other, node: n4, address: "old:4" }), "another one at that address");
  t.true(callers.called({ ...other, node: n4, address: "new:44" }));
  callers.forget(left.values());
  for (const now of [0, partingMs + 1]) t.deepEqual(dialled(now), { host: "new", port: 44 });
  const back = new Map([[n4, { ...member(n4, "listed:7", "up"), ...other }]]);
  t.deepEqual(peerAddresses(identity, back, callers.all, 0).get(n4), { host: "listed", port: 7 });
  callers.forget(back.values());
  t.is(callers.all.size, 0);
});

test("who has just begun to learn the log answers who leads now, whatever his former life did", (t) => {
  const callers = new Callers();
  t.true(callers.called({ ...other, node: n4, address: "new:44" }));
  const dialled = (record: MemberRecord) => {
    const members = new Map([[n4, record]]);
    callers.forget(members.values());
    return peerAddresses(identity, members, callers.all, partingMs + 1).get(n4);
  };
  for (const state of ["up", "down", "left"] as const)
    t.deepEqual(dialled(member(n4, "old:4", state)), { host: "new", port: 44 }, state);
  t.deepEqual(dialled({ ...member(n4, "listed:7", "up"), ...other }), { host: "listed", port: 7 });
  t.is(callers.all.size, 0);
});

test("callers are bounded", (t) => {
  const callers = new Callers();
  for (let i = 0; i < callersKept; i += 1)
    t.true(callers.called({ ...other, node: NodeId(`x${i}`), address: "h:1" }));
  t.false(callers.called({ ...other, node: n4, address: "h4:4" }));
  t.true(callers.called({ ...other, node: NodeId("x0"), address: "moved:1" }), "one of them");
  t.is(callers.all.size, callersKept);
});
