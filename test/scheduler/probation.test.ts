/** Jobs that have yet to show that they can be run, and suspects. F10 and F11 are numbered in src/scheduler/policy.ts. */
import test from "ava";
import type { JobId } from "../../src/lib/types.ts";
import { isOnProbation, probationQueries } from "../../src/scheduler/probation.ts";
import {
  assign,
  cluster,
  completion,
  outputs,
  type Replica,
  submit,
  work,
} from "../machine/fixtures.ts";
import { begun, capacity, carryOut, plan } from "./planning.ts";

const endless = { totalInputs: 100_000, batchSize: 8 };
const nodes = [1, 2, 3, 4, 5].map((n) => capacity(n, 1));

/** One query of each plan is done, and another is handed out. */
function turn(replica: Replica, of: JobId): void {
  const [done] = [...replica.machine.openQueries(of)].filter(({ attempts }) => attempts.length > 0);
  if (done !== undefined) replica.must(work([completion(of, done.query, outputs(done.count))], []));
  carryOut(replica, plan(replica, nodes));
}

const openOf = (replica: Replica, id: JobId): number =>
  replica.machine.jobs.get(id)?.openQueries ?? 0;

test("beside one that competes, a job of which nothing is done has a quarter of the slots at most (F10)", (t) => {
  const replica = cluster(5);
  const healthy = submit(replica, endless);
  begun(replica, healthy);
  carryOut(replica, plan(replica, nodes));
  const hanging = submit(replica, endless);
  for (let i = 0; i < 40; i += 1) {
    turn(replica, healthy);
    t.is(openOf(replica, hanging), 1);
  }
  t.is(openOf(replica, healthy), 10, "all other places are those of the one that competes");
  t.deepEqual([1, 4, 8, 21].map(probationQueries), [1, 1, 2, 5]);
});

test("where nobody competes, a new job has all slots (F10)", (t) => {
  const replica = cluster(5);
  const [one, two] = [submit(replica, endless), submit(replica, endless)];
  carryOut(replica, plan(replica, nodes));
  t.deepEqual([openOf(replica, one), openOf(replica, two)], [10, 10]);
});

test("each job gets its first query, whoever else is on probation (F10)", (t) => {
  const replica = cluster(5);
  const healthy = submit(replica, endless);
  begun(replica, healthy);
  const others = [1, 2, 3].map(() => submit(replica, endless));
  for (let i = 0; i < 10; i += 1) turn(replica, healthy);
  t.deepEqual(
    others.map((id) => openOf(replica, id)),
    [1, 1, 1],
  );
});

test("with its first query done a job competes, from where the others are (F10)", (t) => {
  const replica = cluster(5);
  const healthy = submit(replica, endless);
  begun(replica, healthy);
  const late = submit(replica, endless);
  for (let i = 0; i < 20; i += 1) turn(replica, healthy);
  const before = replica.machine.jobs.get(healthy)?.progress ?? NaN;
  t.true((replica.machine.jobs.get(late)?.progress ?? NaN) < before - 5);
  replica.must(work([completion(late, 0, outputs(8))], []));
  t.is(replica.machine.jobs.get(late)?.progress, before);
  for (let i = 0; i < 40; i += 1) turn(replica, i % 2 === 0 ? healthy : late);
  const [a = NaN, b = NaN] = [healthy, late].map((id) => replica.machine.jobs.get(id)?.progress);
  // For its turns each of the five slots has one of either, or two.
  t.true(Math.abs(a - b) <= 10, `${a} and ${b}`);
});

test("a new job begins beside those that compete, not beside one that hangs", (t) => {
  const replica = cluster(5);
  const healthy = submit(replica, endless);
  begun(replica, healthy);
  submit(replica, endless);
  for (let i = 0; i < 20; i += 1) turn(replica, healthy);
  const { progress } = replica.machine.jobs.get(healthy) ?? {};
  t.is(replica.machine.jobs.get(submit(replica, endless))?.progress, progress);
});

test("whose queries end executors is on probation again, until enough others are done", (t) => {
  const replica = cluster(5);
  const id = submit(replica, endless);
  begun(replica, id);
  const isKept = (): boolean => isOnProbation(replica.machine.jobs.get(id) ?? { doneQueries: -1 });
  t.false(isKept());
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([{ ...completion(id, 1, []), failed: "killed" }], []));
  t.is(replica.machine.jobs.get(id)?.failures, 1);
  t.true(isKept());
  begun(replica, id, id, id);
  t.true(isKept());
  begun(replica, id);
  t.false(isKept());
});

test("a failure of a single input counts as well", (t) => {
  const replica = cluster(5);
  const id = submit(replica, { totalInputs: 3, batchSize: 1 });
  replica.must(work([], [assign(id, 1)]));
  for (const node of [1, 2]) {
    if (node === 2) replica.must(work([], [assign(id, 2, 0)]));
    const attempt = node;
    const failed = { ...completion(id, 0, [], { node, attempt }), failed: "hung" as const };
    replica.must(work([failed], []));
    t.is(replica.machine.jobs.get(id)?.failures, node);
  }
  t.like(replica.machine.jobs.get(id), { doneQueries: 1, errorInputs: 1 });
});

test("suspects take no place of a slot, and are spread over the nodes (F11)", (t) => {
  const replica = cluster(5);
  const bad = submit(replica, { totalInputs: 16, batchSize: 16 });
  const healthy = submit(replica, endless);
  begun(replica, healthy);
  replica.must(work([], [assign(bad, 1)]));
  // Halved until there are eight.
  let next = 0;
  for (const halves of [2, 4, 8]) {
    const open = [...replica.machine.openQueries(bad)];
    for (const { query, lastAttempt, attempts } of open) {
      const node = Number(attempts[0]?.node.slice(1));
      const done = completion(bad, query, [], { node, attempt: lastAttempt });
      replica.must(work([{ ...done, failed: "killed" }], []));
    }
    t.is(openOf(replica, bad), halves);
    if (halves === 8) break;
    for (const { query } of replica.machine.openQueries(bad)) {
      next += 1;
      replica.must(work([], [assign(bad, (next % 5) + 1, query)]));
    }
  }
  carryOut(replica, plan(replica, nodes));
  const nodesOf = [...replica.machine.openQueries(bad)].map(({ attempts }) => attempts[0]?.node);
  const counts = nodes.map(({ node }) => nodesOf.filter((each) => each === node).length);
  t.deepEqual(
    counts.toSorted((a, b) => a - b),
    [1, 1, 2, 2, 2],
  );
  t.is(openOf(replica, healthy), 10, "every place is that of the healthy one");
});
