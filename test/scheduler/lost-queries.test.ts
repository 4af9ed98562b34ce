/** Queries whose nodes went down are handed out again. F1 and F4 are numbered in src/scheduler/policy.ts. */
import test from "ava";
import { type JobId, QueryNumber } from "../../src/lib/types.ts";
import { assignsPerPlan } from "../../src/scheduler/policy.ts";
import { mostPerSlot } from "../../src/scheduler/room.ts";
import {
  assign,
  cluster,
  completion,
  nodeName,
  outputs,
  submit,
  work,
} from "../machine/fixtures.ts";
import { capacity, carryOut, plan } from "./planning.ts";

test("queries that lost their node go out at once, also to nodes that are full (F4)", (t) => {
  const replica = cluster(3);
  const id = submit(replica, { totalInputs: 1_000 });
  const nodes = [capacity(1), capacity(2), capacity(3)];
  carryOut(replica, plan(replica, nodes));
  t.is(plan(replica, nodes).length, 0, "everybody is full");
  replica.must({ kind: "mark-member", node: nodeName(3), boot: "boot3", state: "down" });
  const left = nodes.slice(0, 2);
  const assigns = carryOut(replica, plan(replica, left));
  const open = [...replica.machine.openQueries(id)];
  t.is(assigns.length, 4, "what node 3 had in hand");
  t.true(open.every(({ attempts }) => attempts.length === 1));
  t.deepEqual(assigns.map(({ node }) => node).toSorted(), ["n1", "n1", "n2", "n2"]);
  t.is(plan(replica, left).length, 0, "and nothing new beside them");
});

test("queries that lost their nodes are handed out before new ones (F1)", (t) => {
  const replica = cluster(3);
  const behind = submit(replica, { totalInputs: 1_000 });
  const ahead = submit(replica, { totalInputs: 1_000 });
  replica.must(work([], [assign(ahead, 1), assign(ahead, 1), assign(ahead, 2)]));
  replica.must({ kind: "mark-member", node: nodeName(1), boot: "boot1", state: "down" });
  const assigns = plan(replica, [capacity(2, 1), capacity(3, 1)]);
  t.deepEqual(
    assigns.slice(0, 4).map((a) => [a.job, a.query]),
    [
      [ahead, QueryNumber(0)],
      [ahead, QueryNumber(1)],
      [behind, undefined],
      [behind, undefined],
    ],
  );
});

test("queries that lost their nodes wait when every node has the most that it may (F4)", (t) => {
  const replica = cluster(2);
  const id = submit(replica, { totalInputs: 1_000_000, batchSize: 1 });
  const lost = mostPerSlot + 10;
  replica.must(
    work(
      [],
      Array.from({ length: lost }, () => assign(id, 2)),
    ),
  );
  replica.must({ kind: "mark-member", node: nodeName(2), boot: "boot2", state: "down" });
  t.is(plan(replica, []).length, 0, "nobody to give them to");
  const first = carryOut(
    replica,
    plan(replica, [capacity(1, 1)], () => 1),
  );
  t.deepEqual(
    first.map(({ query }) => query),
    Array.from({ length: mostPerSlot }, (_, n) => n),
  );
  t.is(plan(replica, [capacity(1, 1)], () => 1).length, 0, "it is full");
  const answered = first.slice(0, 4).map((a) => completion(a.job as JobId, a.query, outputs(1)));
  replica.must(work(answered, []));
  const next = carryOut(
    replica,
    plan(replica, [capacity(1, 1)], () => 1),
  );
  t.deepEqual(
    next.map(({ query }) => query),
    [64, 65, 66, 67],
  );
});

test("more lost queries than a plan has room for fill it, and nothing new begins beside them", (t) => {
  const replica = cluster(41);
  const id = submit(replica, { totalInputs: 10_000_000, batchSize: 1 });
  const lost = assignsPerPlan + 7;
  replica.must(
    work(
      [],
      Array.from({ length: lost }, () => assign(id, 41)),
    ),
  );
  replica.must({ kind: "mark-member", node: nodeName(41), boot: "boot41", state: "down" });
  submit(replica, { totalInputs: 10 });
  const nodes = Array.from({ length: 40 }, (_, i) => capacity(i + 1, 1));
  const first = plan(replica, nodes, () => 0.1);
  t.is(first.length, assignsPerPlan);
  t.true(first.every(({ query }) => query !== undefined));
  carryOut(replica, first);
  const [seven, begun] = [0, 1].map((of) =>
    plan(replica, nodes, () => 0.1).filter(({ query }) => (query === undefined) === (of === 1)),
  );
  t.is(seven?.length, 7);
  t.true((begun?.length ?? 0) > 0);
});
