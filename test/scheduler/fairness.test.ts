/** Fair time by a plain oracle: whatever happens, each assignment is the one that F1 to F5 and F8 (policy.ts) demand. */
import test from "ava";
import fc from "fast-check";
import { type JobId, LogTime, type NodeId } from "../../src/lib/types.ts";
import { agedClass, ageingMs } from "../../src/scheduler/classes.ts";
import {
  type NodeCapacity,
  aheadMs,
  assignsPerPlan,
  leastPerSlot,
  mostPerSlot,
  newcomersPerPlan,
} from "../../src/scheduler/policy.ts";
import type { Assign, JobRecord } from "../../src/scheduler/types.ts";
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
import { type Predicted, capacity, carryOut, plan, simulate } from "./planning.ts";

/** The rules once more, as slow and plain as they can be said. */
class Oracle {
  readonly #predict: Predicted;
  readonly #jobs: Map<JobId, JobRecord>;
  readonly #loads: { readonly of: NodeCapacity; queries: number; ms: number }[];
  readonly #lost = new Set<string>();
  readonly #now: LogTime;
  #newcomers = 0;

  constructor(replica: Replica, nodes: readonly NodeCapacity[], predict: Predicted) {
    const { machine, at } = replica;
    this.#now = LogTime(at);
    this.#predict = predict;
    this.#jobs = new Map([...machine.jobs].filter(([, { status }]) => status.kind === "running"));
    this.#loads = nodes.map((of) => ({ of, queries: 0, ms: 0 }));
    for (const job of machine.jobs.keys())
      for (const { query, attempts, count } of machine.openQueries(job)) {
        for (const { node, boot } of attempts)
          if (this.#loads.some(({ of }) => of.node === node && of.boot === boot))
            this.#work(job, node, count);
        if (attempts.length === 0 && this.#jobs.has(job)) this.#lost.add(`${job}/${query}`);
      }
  }

  #load(node: NodeId) {
    const load = this.#loads.find(({ of }) => of.node === node);
    if (load === undefined) throw new Error(`${node} may not be given work`);
    return load;
  }

  #work(job: JobId, node: NodeId, inputs: number): void {
    const load = this.#load(node);
    load.queries += 1;
    load.ms += this.#predict(job, node, inputs) ?? aheadMs;
  }

  #hasRoom(node: NodeId): boolean {
    const { queries, ms, of } = this.#load(node);
    if (queries < leastPerSlot * of.slots) return true;
    return queries < mostPerSlot * of.slots && ms < aheadMs * of.slots;
  }

  #isUnderMost(node: NodeId): boolean {
    const { queries, of } = this.#load(node);
    return queries < mostPerSlot * of.slots;
  }

  /** Runnable jobs with inputs left, by their turns: of each class the one furthest behind, of those the highest as aged. */
  #waiting(): JobRecord[] {
    const left = [...this.#jobs.values()]
      .filter(({ cursor, totalInputs }) => cursor < totalInputs)
      .toSorted((a, b) => a.progress - b.progress || numberOf(a) - numberOf(b));
    const turns: JobRecord[] = [];
    while (left.length > 0) {
      const firsts = left.filter(
        (job, i) => left.findIndex(({ priority }) => priority === job.priority) === i,
      );
      const [next] = firsts.toSorted(
        (a, b) =>
          this.#classOf(b) - this.#classOf(a) ||
          servedAt(a) - servedAt(b) ||
          (b.priority ?? 0) - (a.priority ?? 0),
      );
      if (next === undefined) break;
      turns.push(next);
      left.splice(left.indexOf(next), 1);
    }
    return turns;
  }

  #classOf(job: JobRecord): number {
    return agedClass({ priority: job.priority ?? 0, servedAt: LogTime(servedAt(job)) }, this.#now);
  }

  /** Takes note of one assignment; says which rule it breaks. */
  take({ job, node, boot, query }: Assign, count: number): string | undefined {
    if (this.#load(node).of.boot !== boot) return "another boot";
    if (query !== undefined) {
      const isLost = this.#lost.delete(`${job}/${query}`);
      if (!isLost || !this.#isUnderMost(node)) return "F4";
      this.#work(job, node, count);
      return undefined;
    }
    if (this.#lost.size > 0 && this.#loads.some(({ of }) => this.#isUnderMost(of.node)))
      return "F1: lost ones first";
    const waiting = this.#waiting();
    const isRegular = this.#hasRoom(node);
    const [next] = isRegular ? waiting : waiting.filter(({ cursor }) => cursor === 0);
    if (next === undefined || next.id !== job) return `F1: ${job} instead of ${next?.id}`;
    if (!isRegular) {
      this.#newcomers += 1;
      if (!this.#isUnderMost(node) || this.#newcomers > newcomersPerPlan) return "F5";
    }
    const idlest = Math.min(
      ...this.#loads
        .filter(({ of }) => !isRegular || this.#hasRoom(of.node))
        .filter(({ of }) => this.#isUnderMost(of.node))
        .map(({ of, ms }) => ms / of.slots),
    );
    if (this.#load(node).ms / this.#load(node).of.slots > idlest) return "F3";
    this.#work(job, node, count);
    const progress = next.progress + 1 / next.weight;
    const servedAt = this.#now;
    this.#jobs.set(job, { ...next, cursor: next.cursor + count, progress, servedAt });
    return undefined;
  }

  /** What the plan left undone though it might have done it. */
  get undone(): string | undefined {
    const nodes = this.#loads.map(({ of }) => of.node);
    const waiting = this.#waiting();
    if (this.#lost.size > 0 && nodes.some((node) => this.#isUnderMost(node))) return "F4";
    if (waiting.length > 0 && nodes.some((node) => this.#hasRoom(node))) return "F2";
    const newcomers = waiting.filter(({ cursor }) => cursor === 0);
    const mayBegin = this.#newcomers < newcomersPerPlan;
    if (newcomers.length > 0 && mayBegin && nodes.some((node) => this.#isUnderMost(node)))
      return "F5";
    return undefined;
  }
}

const numberOf = ({ id }: JobRecord): number => Number(id.slice(1));
const servedAt = (job: JobRecord): number => job.servedAt ?? job.submittedAt;

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
    const nodes = slots.map((size, i) => capacity(i + 1, size));
    const done = simulate(replica, byJob, { nodes, untilMs: 4_000 });
    const total = slots.reduce((sum, size) => sum + size, 0);
    const counts = new Map([...byJob.keys()].map((id) => [id, 0]));
    for (const { job: id } of done) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      const apart = Math.max(...counts.values()) - Math.min(...counts.values());
      t.true(apart <= leastPerSlot * total + 1, `${apart} apart on ${total} slots`);
    }
    const given = [...byJob.keys()].map((id) => replica.machine.jobs.get(id)?.nextQuery ?? 0);
    t.true(Math.max(...given) - Math.min(...given) <= 1, given.join());
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
  submit(replica, { totalInputs: 1_000 });
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
