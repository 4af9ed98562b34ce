/** The rows in memory: which are there, how a command sees them, and how they are all replaced. */
import test from "ava";
import { KeyOrder } from "../../src/machine/keys.ts";
import { Machine } from "../../src/machine/machine.ts";
import { HotRows } from "../../src/machine/tables.ts";
import { Transaction } from "../../src/machine/transaction.ts";
import { assign, cluster, nodeName, submit, work } from "./fixtures.ts";

test("what is kept in memory is told by its table, and what has none is not", (t) => {
  for (const key of ["member", "/member", "", "file/x"]) t.false(Machine.isHot(key), key);
  t.true(Machine.isHot("member/n1"));
});

test("forgetting every row keeps whole tables, which others hold, and no parts of them", (t) => {
  const hot = new HotRows();
  const members = hot.group("member");
  for (const key of ["member/n1", "query/j1/0000000000"]) hot.set(key, {});
  hot.clear();
  t.is(members.size, 0);
  t.is(hot.group("member"), members);
  t.is(hot.peek("query/j1"), undefined);
});

test("a snapshot takes the place of every row, open queries included, under views that stay", (t) => {
  const replica = cluster(1);
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  const { machine } = replica;
  const { members, jobs } = machine;
  const other = cluster(2);
  const rows = [...other.rows.keys()]
    .filter((key) => Machine.isHot(key))
    .map((key) => [key, other.row(key)] as const);
  const changes = machine.memberChanges;
  machine.reload(rows);
  t.deepEqual([...machine.openQueries(id)], []);
  t.deepEqual([...members.keys()].toSorted(), [nodeName(1), nodeName(2)]);
  t.is(jobs.size, 0);
  t.true(machine.memberChanges > changes);
});

test("inside a command a group shows what the command has put and deleted", (t) => {
  const hot = new HotRows();
  for (const id of ["a", "c"]) hot.set(`member/${id}`, { of: id });
  const tx = new Transaction(hot, { get: () => undefined });
  tx.put("member/b", { of: "b" });
  tx.put("member/a", { of: "a2", none: undefined });
  tx.delete("member/c");
  tx.put("member/d/e", { of: "another group" });
  tx.put("members/f", { of: "another table" });
  t.deepEqual(tx.group("member"), [
    ["a", { of: "a2" }],
    ["b", { of: "b" }],
  ]);
  tx.rollback();
  t.deepEqual(
    tx.group("member").map(([id]) => id),
    ["a", "c"],
  );
});

test("keys are given out in the order of use, however many were forgotten before", (t) => {
  const order = new KeyOrder();
  const hot = new HotRows();
  for (let n = 0; n < 5_000; n += 1) order.added(`${n}`, false);
  for (let n = 0; n < 4_999; n += 1) {
    t.is(order.at(0, hot), `${n}`);
    order.forgotten();
    t.is(order.size, 4_999 - n);
  }
  t.is(order.at(1, hot), undefined);
});
