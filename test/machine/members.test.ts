/** Nodes that are asked to leave, have left, and come back; and who counts for a put meanwhile. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import { LogTime, StoreId } from "../../src/lib/types.ts";
import type { MemberRecord } from "../../src/machine/commands.ts";
import {
  type Replica,
  assign,
  chunk,
  cluster,
  nodeName,
  register,
  submit,
  upload,
  work,
} from "./fixtures.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const member = (replica: Replica, n: number): MemberRecord | undefined =>
  replica.machine.members.get(nodeName(n));
const remove = (n: number) => ({ kind: "remove-member", node: nodeName(n) }) as const;
const mark = (n: number, state: "up" | "down" | "left", boot = `boot${n}`) =>
  ({ kind: "mark-member", node: nodeName(n), boot, state }) as const;

test("a node asked to leave gets no more work, keeps what it has, and is asked once", (t) => {
  const replica = cluster(2);
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must(remove(1));
  t.like(member(replica, 1), { state: "up", leaving: true });
  replica.must(work([], [assign(id, 1), assign(id, 2)]));
  t.deepEqual(
    [...replica.machine.openQueries(id)].map(({ attempts }) => attempts.map(({ node }) => node)),
    [[nodeName(1)], [nodeName(2)]],
  );
  const { mutations } = replica.must(remove(1));
  t.deepEqual(
    mutations.map(({ key }) => key),
    ["meta/logTime"],
  );
});

test("somebody has to stay: the last node that is up and not leaving cannot be removed", (t) => {
  const replica = cluster(3);
  replica.must(mark(3, "down"));
  replica.must(remove(1));
  t.is(codeOf(replica.apply(remove(2)).outcome), "CONFLICT");
  replica.must(mark(3, "up"));
  t.is(codeOf(replica.apply(remove(2)).outcome), "ok");
});

test("only who was asked to leave has left; then its store is lost and its work free", (t) => {
  const replica = cluster(2);
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must(mark(1, "left"));
  t.like(member(replica, 1), { state: "up" });
  replica.must(remove(1));
  replica.must(mark(1, "left"));
  t.like(member(replica, 1), { state: "left", leaving: true });
  t.is(replica.machine.stores.get(StoreId("store1"))?.state, "lost");
  t.deepEqual(
    [...replica.machine.openQueries(id)].map(({ attempts }) => attempts),
    [[]],
  );
  // Gone is gone: what the detector sees of it later changes nothing, nor can it be removed again.
  for (const state of ["up", "down"] as const) replica.must(mark(1, state));
  t.like(member(replica, 1), { state: "left" });
  t.is(codeOf(replica.apply(remove(1)).outcome), "NOT_FOUND");
});

test("a removed data directory may not come back; another one under its name may, and stays", (t) => {
  const replica = cluster(2);
  replica.must(remove(1));
  replica.must(mark(1, "left"));
  t.is(codeOf(replica.apply(register(1, { boot: "again" })).outcome), "CONFLICT");
  replica.must(register(1, { boot: "again", incarnation: "other", store: StoreId("new") }));
  t.like(member(replica, 1), { state: "up", leaving: undefined });
});

test("starting anew does not undo that a node was asked to leave", (t) => {
  const replica = cluster(2);
  replica.must(remove(1));
  replica.must(register(1, { boot: "again" }));
  t.like(member(replica, 1), { state: "up", boot: "again", leaving: true });
});

test("a store that moved to another node stays active when its old node takes another one", (t) => {
  const replica = cluster(2);
  replica.must(mark(1, "down"));
  replica.must(register(2, { boot: "again", store: StoreId("store1") }));
  replica.must(register(1, { boot: "again", store: StoreId("fresh") }));
  t.like(replica.machine.stores.get(StoreId("store1")), { node: nodeName(2), state: "active" });
});

test("a put needs no copy on nodes that leave, also when they go down", (t) => {
  const replica = cluster(3);
  const put = (path: string) => codeOf(replica.apply(upload(path, [chunk(9, [1, 2])])).outcome);
  t.is(put("a"), "TOO_FEW_COPIES");
  replica.must(mark(3, "down"));
  t.is(put("b"), "TOO_FEW_COPIES", "it may be back in a moment");
  replica.must(mark(3, "up"));
  replica.must(remove(3));
  t.is(put("c"), "ok");
  replica.must(mark(3, "down"));
  t.is(put("d"), "ok");
  t.true(replica.machine.logTime > LogTime(0));
});
