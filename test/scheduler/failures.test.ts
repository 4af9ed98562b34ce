/** Queries that ended their executors, as a replica applies them. T1 to T3 are numbered in src/scheduler/failure.ts. */
import test from "ava";
import type { JobId } from "../../src/lib/types.ts";
import type { QueryFailure, QueryRecord, ResultRow } from "../../src/scheduler/types.ts";
import {
  assign,
  cluster,
  completion,
  outputs,
  type Replica,
  submit,
  work,
} from "../machine/fixtures.ts";
import { checkInvariants } from "../machine/invariants.ts";

const open = (replica: Replica, id: JobId): QueryRecord[] => [...replica.machine.openQueries(id)];
const rangesOf = (queries: readonly QueryRecord[]) =>
  queries.map(({ query, from, count }) => [query, from, count]);

/** A node says that a query of which it has an attempt ended its executor. */
function fails(
  replica: Replica,
  [id, query]: readonly [JobId, number],
  how: { readonly failed?: QueryFailure; readonly node?: number; readonly attempt?: number } = {},
): void {
  const { failed = "killed", node = 1, attempt = 1 } = how;
  replica.must(work([{ ...completion(id, query, [], { node, attempt }), failed }], []));
  checkInvariants(replica);
}

function running(inputs: number, nodes = 3): readonly [replica: Replica, id: JobId] {
  const replica = cluster(nodes);
  const id = submit(replica, { totalInputs: inputs, batchSize: inputs });
  replica.must(work([], [assign(id, 1)]));
  return [replica, id];
}

test("a query that ended its executor is split in halves, which are suspects (T2)", (t) => {
  const [replica, id] = running(5);
  fails(replica, [id, 0]);
  t.deepEqual(rangesOf(open(replica, id)), [
    [1, 0, 3],
    [2, 3, 2],
  ]);
  t.true(open(replica, id).every(({ attempts, suspect }) => attempts.length === 0 && suspect));
  t.like(replica.machine.jobs.get(id), { openQueries: 2, doneQueries: 0, doneInputs: 0 });
  t.like(replica.row(`result/${id}/0000000000`), { outputs: [], into: [1, 2] });
});

test("halves are handed out as suspects, under attempts of their own", (t) => {
  const [replica, id] = running(2);
  fails(replica, [id, 0]);
  const { outcome } = replica.must(work([], [assign(id, 2, 1)]));
  const value = outcome.kind === "ok" ? outcome.value : undefined;
  t.like(value?.kind === "assigned" ? value.assigned[0] : undefined, {
    query: 1,
    attempt: 1,
    node: "n2",
    from: 0,
    count: 1,
    suspect: true,
  });
});

test("a failure counts once, and only of an attempt that the query has (T1)", (t) => {
  const [replica, id] = running(4);
  fails(replica, [id, 0], { node: 2 });
  fails(replica, [id, 0], { attempt: 2 });
  t.deepEqual(rangesOf(open(replica, id)), [[0, 0, 4]]);
  fails(replica, [id, 0]);
  fails(replica, [id, 0]);
  t.is(open(replica, id).length, 2);
  const [job] = replica.machine.jobs.values();
  t.is(Number(job?.nextQuery), 3);
});

test("a result that comes from elsewhere after the split is of no use", (t) => {
  const [replica, id] = running(4);
  replica.must(work([], [assign(id, 2, 0)]));
  fails(replica, [id, 0]);
  replica.must(work([completion(id, 0, outputs(4), { node: 2, attempt: 2 })], []));
  checkInvariants(replica);
  t.is(open(replica, id).length, 2);
});

test("one input is recorded as failed after two nodes, with what the last one saw (T3)", (t) => {
  const [replica, id] = running(1);
  fails(replica, [id, 0]);
  t.like(open(replica, id)[0], { attempts: [], suspect: true, blamed: ["n1"] });
  replica.must(work([], [assign(id, 2, 0)]));
  fails(replica, [id, 0], { node: 2, attempt: 2, failed: "hung" });
  t.deepEqual((replica.row(`result/${id}/0000000000`) as ResultRow).outputs, ["timed_out"]);
  t.like(replica.machine.jobs.get(id), { openQueries: 0, doneInputs: 1, errorInputs: 1 });
});

test("twice on one node is enough only where no other may work (T3)", (t) => {
  for (const [nodes, isOver] of [
    [1, true],
    [2, false],
  ] as const) {
    const [replica, id] = running(1, nodes);
    fails(replica, [id, 0]);
    replica.must(work([], [assign(id, 1, 0)]));
    fails(replica, [id, 0], { attempt: 2 });
    t.is(open(replica, id).length === 0, isOver, `${nodes} nodes`);
  }
});

test("who may work changes: after four failures an input is given up all the same (T3)", (t) => {
  const [replica, id] = running(1, 2);
  for (const attempt of [1, 2, 3, 4]) {
    t.is(open(replica, id).length, 1);
    if (attempt > 1) replica.must(work([], [assign(id, 1, 0)]));
    fails(replica, [id, 0], { attempt });
  }
  t.is(open(replica, id).length, 0);
});

test("an innocent half gets its result, the guilty input its record, in input order", (t) => {
  const [replica, id] = running(2);
  fails(replica, [id, 0]);
  replica.must(work([], [assign(id, 1, 1), assign(id, 1, 2)]));
  replica.must(work([completion(id, 2, outputs(1))], []));
  fails(replica, [id, 1]);
  replica.must(work([], [assign(id, 3, 1)]));
  fails(replica, [id, 1], { node: 3, attempt: 2 });
  t.deepEqual(
    [1, 2].map((n) => (replica.row(`result/${id}/000000000${n}`) as ResultRow).outputs[0]),
    ["killed_executor", [1, 900_000]],
  );
  t.like(replica.machine.jobs.get(id), { doneQueries: 2, doneInputs: 2, errorInputs: 1 });
});

test("a failure of a job that has ended changes nothing", (t) => {
  const [replica, id] = running(4);
  replica.must({ kind: "steer-job", job: id, to: "cancelled" });
  fails(replica, [id, 0]);
  t.deepEqual(open(replica, id), []);
});
