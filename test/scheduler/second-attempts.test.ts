/** Queries handed out again: those that failed, and those that are late. F6 and F7 are numbered in src/scheduler/policy.ts. */
import test from "ava";
import type { JobId } from "../../src/lib/types.ts";
import { aheadMs } from "../../src/scheduler/room.ts";
import { assign, cluster, completion, outputs, submit, work } from "../machine/fixtures.ts";
import { capacity, carryOut, plan } from "./planning.ts";

test("a query that failed on a node goes to another, or back where there is none (F6)", (t) => {
  const replica = cluster(2);
  const id = submit(replica, { totalInputs: 1, batchSize: 1 });
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([{ ...completion(id, 0, []), failed: "killed" }], []));
  const nodes = [capacity(1), capacity(2)];
  t.deepEqual(
    plan(replica, nodes).map(({ node }) => node),
    ["n2"],
  );
  t.deepEqual(
    plan(replica, nodes.slice(0, 1)).map(({ node }) => node),
    ["n1"],
  );
});

/** A job of which all but one query is done, each in 100 ms; that one is on node 1. */
function withTail(): readonly [replica: ReturnType<typeof cluster>, id: JobId] {
  const replica = cluster(3);
  const id = submit(replica, { totalInputs: 6, batchSize: 1 });
  for (let query = 0; query < 5; query += 1) {
    replica.must(work([], [assign(id, 1)]));
    replica.must(work([completion(id, query, outputs(1), { elapsedMs: 100 })], []));
  }
  replica.must(work([], [assign(id, 1)]));
  return [replica, id];
}

test("at the tail an idle slot elsewhere takes over what is late as well, once (F7)", (t) => {
  const [replica, id] = withTail();
  const nodes = [capacity(1), capacity(2), capacity(3)];
  replica.at += 2 * 100 + aheadMs - 20;
  replica.must({ kind: "set-job", job: id, batchSize: 2, weight: undefined });
  t.deepEqual(plan(replica, nodes), [], "not late yet");
  replica.at += 40;
  replica.must({ kind: "set-job", job: id, batchSize: 1, weight: undefined });
  const assigns = carryOut(replica, plan(replica, nodes));
  t.like(assigns, [{ job: id, query: 5, attempt: 2 }]);
  t.not(assigns[0]?.node, "n1");
  replica.at += 10_000;
  replica.must({ kind: "set-job", job: id, batchSize: 2, weight: undefined });
  t.deepEqual(plan(replica, nodes), [], "two work on it");
});

test("nothing is done twice while inputs are left, slots are busy, or the query is a suspect (F7)", (t) => {
  const late = (replica: ReturnType<typeof cluster>, id: JobId) => {
    replica.at += 60_000;
    replica.must({ kind: "set-job", job: id, batchSize: 1, weight: undefined });
  };
  const nodes = [capacity(1), capacity(2, 1)];
  const [busy, job] = withTail();
  const other = submit(busy, { totalInputs: 1_000 });
  busy.must(work([], [assign(other, 2)]));
  busy.must({ kind: "steer-job", job: other, to: "paused" });
  late(busy, job);
  t.deepEqual(plan(busy, nodes), [], "no slot is idle");
  const [suspected, id] = withTail();
  suspected.must(work([{ ...completion(id, 5, []), failed: "killed" }], []));
  suspected.must(work([], [assign(id, 2, 5)]));
  late(suspected, id);
  t.deepEqual(plan(suspected, nodes), [], "a suspect waits for its turn");
});
