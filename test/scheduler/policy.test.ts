/** Fair-time hand-out. F1 to F5 are numbered in src/scheduler/policy.ts. */
import test from "ava";
import fc from "fast-check";
import { type JobId, QueryNumber } from "../../src/lib/types.ts";
import { assignsPerPlan, newcomersPerPlan } from "../../src/scheduler/policy.ts";
import {
  aheadMs,
  leastPerSlot,
  mostPerSlot,
  queriesPerTurn,
  turnsPerSlot,
} from "../../src/scheduler/room.ts";
import { holds } from "../lib/property.ts";
import {
  assign,
  cluster,
  completion,
  nodeName,
  outputs,
  submit,
  work,
} from "../machine/fixtures.ts";
import { type Predicted, begun, capacity, carryOut, plan } from "./planning.ts";

test("a node whose speed is unknown gets two queries per slot (F2)", (t) => {
  const replica = cluster(2);
  submit(replica, { totalInputs: 100_000 });
  const assigns = plan(replica, [capacity(1, 3), capacity(2, 1)]);
  t.deepEqual(assigns.map((a) => a.node).toSorted(), [
    "n1",
    "n1",
    "n1",
    "n1",
    "n1",
    "n1",
    "n2",
    "n2",
  ]);
});

test("a node is topped up to 250 ms per slot, at least 2 and at most 64 queries per slot (F2)", (t) => {
  const perSlot = (ms: number) => {
    const replica = cluster(1);
    submit(replica, { totalInputs: 1_000_000, batchSize: 1 });
    return plan(replica, [capacity(1, 2)], () => ms).length / 2;
  };
  t.is(perSlot(50), 5);
  t.is(perSlot(100), 2.5);
  t.is(perSlot(1_000), leastPerSlot);
  t.is(perSlot(0.5), mostPerSlot);
});

test("jobs take turns: each slot has two queries of each of up to four, the next gets one at once (F2, F5)", (t) => {
  const replica = cluster(2);
  const nodes = [capacity(1), capacity(2)];
  submit(replica, { totalInputs: 1_000 });
  carryOut(replica, plan(replica, nodes));
  const counts: number[] = [];
  for (let n = 0; n < 4; n += 1) {
    const newcomer = submit(replica, { totalInputs: 1_000 });
    const assigned = carryOut(replica, plan(replica, nodes));
    t.true(assigned.every(({ job }) => job === newcomer));
    t.is(new Set(assigned.map(({ node }) => node)).size, Math.min(2, assigned.length));
    counts.push(assigned.length);
  }
  t.deepEqual(counts, [8, 8, 8, 1]);
});

test("of more jobs than there are turns, none is kept from its turn by the next queries of others (F1, F2)", (t) => {
  const replica = cluster(1);
  const nodes = [capacity(1, 1)];
  const ids = Array.from({ length: turnsPerSlot + 2 }, () =>
    submit(replica, { totalInputs: 100_000, batchSize: 1 }),
  );
  begun(replica, ...ids);
  carryOut(replica, plan(replica, nodes));
  // Each time the oldest query in hand is done.
  for (let i = 0; i < 60; i += 1) {
    const open = ids.flatMap((id) => [...replica.machine.openQueries(id)]);
    const [oldest] = open.toSorted((a, b) => a.query - b.query);
    replica.must(work([completion(oldest!.job, oldest!.query, outputs(oldest!.count))], []));
    carryOut(replica, plan(replica, nodes));
  }
  const given = ids.map((id) => replica.machine.jobs.get(id)?.nextQuery ?? 0);
  t.true(Math.max(...given) - Math.min(...given) <= 2, given.join());
});

test("who waits for room keeps jobs of other classes from taking turns (F2)", (t) => {
  const replica = cluster(1);
  const nodes = [capacity(1, 1)];
  const [high, low] = [1, 0].map((priority) => submit(replica, { totalInputs: 80, priority }));
  begun(replica, high!);
  const assigned = carryOut(replica, plan(replica, nodes));
  t.deepEqual(
    assigned.map(({ job }) => job),
    [high, high, low],
    "both begin (F5)",
  );
  replica.must(work([completion(low!, QueryNumber(0), outputs(assigned[2]?.count ?? 0))], []));
  t.deepEqual(plan(replica, nodes), []);
});

test("a new job gets one query at once, though every node is full (F5)", (t) => {
  const replica = cluster(2);
  for (let n = 0; n < turnsPerSlot; n += 1) submit(replica, { totalInputs: 1_000 });
  const nodes = [capacity(1), capacity(2)];
  carryOut(replica, plan(replica, nodes));
  t.is(plan(replica, nodes).length, 0, "everybody is full");
  const newcomer = submit(replica, { totalInputs: 1_000 });
  const assigns = plan(replica, nodes);
  t.deepEqual(
    assigns.map(({ job, query }) => [job, query]),
    [[newcomer, undefined]],
  );
  carryOut(replica, assigns);
  t.is(plan(replica, nodes).length, 0, "one, and no more");
});

test("what a node already has in hand counts; what another boot of it had does not", (t) => {
  const replica = cluster(1);
  const id = submit(replica, { totalInputs: 1_000 });
  carryOut(replica, plan(replica, [capacity(1)]));
  t.is(plan(replica, [capacity(1)]).length, 0);
  t.is(plan(replica, [{ ...capacity(1), boot: "next" }]).length, 4);
  replica.must({ kind: "steer-job", job: id, to: "paused" });
  submit(replica, { totalInputs: 1_000 });
  t.is(plan(replica, [capacity(1)]).length, 4, "a turn for each slot, and the next");
});

test("the idlest node is served first, and slots count (F3)", (t) => {
  const replica = cluster(3);
  const id = submit(replica, { totalInputs: 4, batchSize: 4 });
  const busy = submit(replica, { totalInputs: 1_000 });
  replica.must(work([], [assign(busy, 1), assign(busy, 2)]));
  replica.must({ kind: "steer-job", job: busy, to: "paused" });
  const [first] = plan(replica, [capacity(1, 1), capacity(2, 4)], () => 100);
  t.like(first, { job: id, node: nodeName(2) });
});

test("a node without slots, and a cluster without jobs, get nothing", (t) => {
  const replica = cluster(1);
  t.deepEqual(plan(replica, [capacity(1)]), []);
  submit(replica);
  t.deepEqual(plan(replica, [capacity(1, 0)]), []);
  t.deepEqual(plan(replica, []), []);
});

const jobs = fc.array(
  fc.record({
    totalInputs: fc.integer({ min: 1, max: 400 }),
    batchSize: fc.integer({ min: 1, max: 9 }),
    weight: fc.constantFrom(0.5, 1, 2, 3),
    ms: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 5 },
);
const slots = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });

test("plans never over-assign, never overlap, and apply takes all of them", (t) => {
  const property = fc.property(jobs, slots, (list, sizes) => {
    const replica = cluster(sizes.length);
    const costs = new Map<JobId, number | undefined>();
    for (const job of list) costs.set(submit(replica, job), job.ms);
    const nodes = sizes.map((size, i) => capacity(i + 1, size));
    const predict: Predicted = (job) => costs.get(job);
    for (let round = 0; round < 4; round += 1) {
      carryOut(replica, plan(replica, nodes, predict));
      t.deepEqual(plan(replica, nodes, predict), [], "a plan leaves nothing for the next");
    }
    for (const { node, slots: size } of nodes) {
      const inHand = [...costs.keys()].flatMap((job) =>
        [...replica.machine.openQueries(job)].filter((q) =>
          q.attempts.some((a) => a.node === node),
        ),
      );
      t.true(inHand.length <= mostPerSlot * size);
      const dearest = Math.max(aheadMs, ...list.map(({ ms }) => ms ?? aheadMs));
      const total = inHand.reduce((sum, q) => sum + (costs.get(q.job) ?? aheadMs), 0);
      // The last one may cross the line, two queries of each of four jobs are always allowed, and so is a job's first (F5).
      const firsts = inHand.filter(({ query }) => query === 0).length;
      const inTurn = queriesPerTurn * turnsPerSlot * size;
      const allowed = Math.max(aheadMs * size + dearest, inTurn * dearest);
      t.true(total <= allowed + firsts * dearest);
    }
  });
  holds(t, property, 60);
});

test("of any jobs, costs and weights, none gets two queries a slot more per weight than another that waits (F1, F2)", (t) => {
  const pair = fc.record({
    weights: fc.tuple(fc.double({ min: 0.01, max: 100, noNaN: true }), fc.constantFrom(0.25, 1, 3)),
    ms: fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 })),
    size: fc.integer({ min: 1, max: 16 }),
    rounds: fc.integer({ min: 1, max: 5 }),
  });
  const property = fc.property(pair, ({ weights, ms, size, rounds }) => {
    const replica = cluster(1);
    const ids = weights.map((weight) =>
      submit(replica, { weight, totalInputs: 10_000_000, batchSize: 1 }),
    );
    const predict: Predicted = (job) => ms[ids.indexOf(job)];
    for (let round = 0; round < rounds; round += 1) {
      const assigned = carryOut(replica, plan(replica, [capacity(1, size)], predict));
      replica.must(
        work(
          assigned.map((a) => completion(a.job as JobId, a.query, outputs(a.count))),
          [],
        ),
      );
      const [a, b] = ids.map(
        (id, i) => (replica.machine.jobs.get(id)?.nextQuery ?? 0) / (weights[i] ?? 1),
      );
      const unit = Math.max(1 / weights[0], 1 / weights[1]);
      t.true(
        Math.abs((a ?? 0) - (b ?? 0)) <=
          unit * (1 + queriesPerTurn * size * (round + 1)) * 1.000001,
        `${a} and ${b}`,
      );
    }
  });
  holds(t, property, 60);
});

test("a plan is bounded, and the next one goes on where it ended", (t) => {
  const replica = cluster(40);
  submit(replica, { totalInputs: 10_000_000, batchSize: 1 });
  const nodes = Array.from({ length: 40 }, (_, i) => capacity(i + 1, 1));
  const first = plan(replica, nodes, () => 0.1);
  t.is(first.length, assignsPerPlan);
  carryOut(replica, first);
  t.is(plan(replica, nodes, () => 0.1).length, 40 * 64 - assignsPerPlan);
});

test("a newcomer's first query does not come on top of the most that a node may have (F5)", (t) => {
  const replica = cluster(1);
  submit(replica, { totalInputs: 1_000_000, batchSize: 1 });
  carryOut(
    replica,
    plan(replica, [capacity(1, 1)], () => 0.1),
  );
  for (let n = 0; n < newcomersPerPlan + 1; n += 1) submit(replica, { totalInputs: 10 });
  t.is(plan(replica, [capacity(1, 1)], () => 0.1).length, 0, "64 are in hand");
  // One place less than the most: one newcomer gets it, the others wait.
  const [answered] = [...replica.machine.jobs.keys()].flatMap((id) => [
    ...replica.machine.openQueries(id),
  ]);
  if (answered === undefined) throw new Error("nothing in hand");
  replica.must(work([completion(answered.job, answered.query, outputs(1))], []));
  t.is(plan(replica, [capacity(1, 1)], () => 1_000).length, 1);
});

test("what nodes that get no more work still have in hand counts for nobody else", (t) => {
  const replica = cluster(2);
  const id = submit(replica, { totalInputs: 1_000 });
  replica.must(work([], [assign(id, 1), assign(id, 1)]));
  t.deepEqual(
    plan(replica, [capacity(2, 1)]).map(({ node, query }) => [node, query]),
    [
      [nodeName(2), undefined],
      [nodeName(2), undefined],
    ],
  );
});
