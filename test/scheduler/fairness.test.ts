/** Fair time by a plain oracle: whatever happens, each assignment is the one that F1 to F5, F8 and F10 (policy.ts) demand. */
import test from "ava";
import fc from "fast-check";
import type { JobId } from "../../src/lib/types.ts";
import { ageingMs } from "../../src/scheduler/classes.ts";
import { assignsPerPlan, newcomersPerPlan } from "../../src/scheduler/policy.ts";
import { leastPerSlot, queriesPerTurn, turnsPerSlot } from "../../src/scheduler/room.ts";
import { holds } from "../lib/property.ts";
import {
  type Replica,
  cluster,
  completion,
  outputs,
  register,
  submit,
  work,
} from "../machine/fixtures.ts";
import { Oracle } from "./oracle.ts";
import { type Predicted, begun, capacity, carryOut, plan, simulate } from "./planning.ts";

const job = fc.record({
  totalInputs: fc.integer({ min: 1, max: 600 }),
  batchSize: fc.integer({ min: 1, max: 9 }),
  weight: fc.constantFrom(0.5, 1, 1, 2, 3),
  priority: fc.constantFrom(0, 0, 0, undefined, 1, -1, -10, 10),
  ms: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
});
const changes = ["pause", "resume", "wait", "class"] as const;
const turn = fc.record({
  kind: fc.constantFrom("answer", "answer", "submit", "down", "up", "leave", ...changes),
  which: fc.nat(99),
  share: fc.integer({ min: 1, max: 4 }),
  job,
});
const kept = { batchSize: undefined, weight: undefined };
const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 });

/** What happens between two plans. */
function happen(
  replica: Replica,
  {
    kind,
    which,
    share,
    ...rest
  }: { kind: string; which: number; share: number; job: { readonly totalInputs: number } },
  submitted: (given: JobId) => void,
): void {
  const { machine } = replica;
  const ids = [...machine.jobs.keys()];
  const id = ids[which % Math.max(1, ids.length)];
  const nodes = [...machine.members.values()];
  const node = nodes[which % nodes.length];
  const answered = ids
    .flatMap((each) => [...machine.openQueries(each)])
    .filter((_, i) => (i + which) % share === 0)
    .map((query) => completion(query.job, query.query, outputs(query.count)));
  // Two thirds of a period: no whole number of them comes to a whole number of periods but every third.
  if (kind === "wait") replica.at += (1 + (which % 20)) * (ageingMs / 1.5);
  if (kind === "class" && id !== undefined)
    replica.apply({ kind: "set-job", job: id, ...kept, priority: (which % 5) - 2 });
  if (kind === "answer") replica.must(work(answered, []));
  if (kind === "submit") submitted(submit(replica, rest.job));
  if (kind === "pause" || kind === "resume")
    if (id !== undefined)
      replica.apply({ kind: "steer-job", job: id, to: kind === "pause" ? "paused" : "running" });
  if (node === undefined) return;
  const number = Number(node.node.slice(1));
  if (kind === "down")
    replica.must({ kind: "mark-member", node: node.node, boot: node.boot, state: "down" });
  if (kind === "up") replica.must(register(number, { boot: `boot${number}x${which}` }));
  // The last one stays.
  if (kind === "leave") replica.apply({ kind: "remove-member", node: node.node });
}

test("whatever happens, every assignment is the one that is due, and none that is due is left out", (t) => {
  const seen = { regular: 0, lost: 0 };
  const property = fc.property(
    fc.array(job, { minLength: 1, maxLength: 4 }),
    sizes,
    fc.array(turn, { maxLength: 12 }),
    (list, slots, turns) => {
      const replica = cluster(slots.length);
      const costs = new Map<JobId, number | undefined>();
      for (const each of list) costs.set(submit(replica, each), each.ms);
      const predict: Predicted = (id) => costs.get(id);
      for (const each of [undefined, ...turns]) {
        if (each !== undefined) happen(replica, each, (id) => costs.set(id, each.job.ms));
        const nodes = [...replica.machine.members.values()]
          .filter(({ state, leaving }) => state === "up" && leaving !== true)
          .map(({ node, boot }) => ({ node, boot, slots: slots[Number(node.slice(1)) - 1] ?? 1 }));
        const oracle = new Oracle(replica, nodes, predict);
        const assigns = plan(replica, nodes, predict);
        const carried = carryOut(replica, assigns);
        for (const [i, each] of assigns.entries()) {
          t.is(oracle.take(each, carried[i]?.count ?? 0), undefined);
          seen[each.query === undefined ? "regular" : "lost"] += 1;
        }
        if (assigns.length < assignsPerPlan) t.is(oracle.undone, undefined);
      }
    },
  );
  holds(t, property, 150);
  t.true(seen.regular > 0 && seen.lost > 0, JSON.stringify(seen));
});

test("whatever queries cost, equal jobs are given equally many to one, and their answers are never further apart than what is in hand", (t) => {
  const costs = fc.array(fc.integer({ min: 5, max: 400 }), { minLength: 2, maxLength: 4 });
  const property = fc.property(costs, sizes, (list, slots) => {
    const replica = cluster(slots.length);
    const byJob = new Map(
      list.map((ms) => [submit(replica, { totalInputs: 100_000, batchSize: 1 }), ms]),
    );
    begun(replica, ...byJob.keys());
    const nodes = slots.map((size, i) => capacity(i + 1, size));
    const done = simulate(replica, byJob, { nodes, untilMs: 4_000 });
    const total = slots.reduce((sum, size) => sum + size, 0);
    const counts = new Map([...byJob.keys()].map((id) => [id, 0]));
    for (const { job: id } of done) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      const apart = Math.max(...counts.values()) - Math.min(...counts.values());
      const inHand = Math.max(leastPerSlot, queriesPerTurn * list.length) * total;
      t.true(apart <= inHand + 1, `${apart} apart on ${total} slots`);
    }
    const given = [...byJob.keys()].map((id) => replica.machine.jobs.get(id)?.nextQuery ?? 0);
    // Those that a slot has nothing of get a query each, and the next.
    const mostApart = queriesPerTurn * total + 1;
    t.true(Math.max(...given) - Math.min(...given) <= mostApart, given.join());
  });
  holds(t, property, 30);
});

for (const ratio of [1, 3, 10])
  test(`in a simulated cluster jobs of cost 1 to ${ratio} have equal query rates in every 10 s`, (t) => {
    const replica = cluster(3);
    const nodes = [1, 2, 3].map((n) => capacity(n, 2));
    const cheap = submit(replica, { totalInputs: 1_000_000 });
    const dear = submit(replica, { totalInputs: 1_000_000 });
    const costs = new Map([
      [cheap, 50],
      [dear, 50 * ratio],
    ]);
    const done = simulate(replica, costs, { nodes, untilMs: 32_000 });
    for (let from = 1_000; from <= 21_000; from += 5_000) {
      const within = done.filter(({ atMs }) => atMs >= from && atMs < from + 10_000);
      const a = within.filter(({ job }) => job === cheap).length;
      const b = within.length - a;
      t.true(Math.abs(a - b) <= Math.max(6, 0.05 * Math.max(a, b)), `${a} and ${b}`);
      // Nobody idles either: six slots at the mean cost.
      t.true(within.length >= 0.98 * ((6 * 10_000) / (25 * (1 + ratio))), `${within.length}`);
    }
  });

test("of a flood of new jobs a plan begins 16 though every slot is busy, the next one 16 more (F5)", (t) => {
  const replica = cluster(2);
  const nodes = [capacity(1), capacity(2)];
  for (let n = 0; n < turnsPerSlot; n += 1) submit(replica, { totalInputs: 1_000 });
  carryOut(replica, plan(replica, nodes));
  const ids = Array.from({ length: 2 * newcomersPerPlan + 3 }, () => submit(replica));
  for (const begun of [newcomersPerPlan, newcomersPerPlan, 3, 0]) {
    const assigns = plan(replica, nodes);
    t.deepEqual(
      assigns.map((each) => each.job),
      ids.splice(0, begun),
    );
    carryOut(replica, assigns);
  }
});
