/**
 * Fair-time hand-out: which node gets which job's next query. Whoever has a free place asks the job that is furthest
 * behind in queries per weight; so query rates are equal by construction, for any number of jobs and any ratio of
 * their costs. A plan is a proposal only: apply checks every assignment again.
 *
 * F1 Inside a class of priority, a new query goes to the running job with inputs left whose progress is least, each one
 *    counted before the next is chosen; of equals, to the one submitted first. Queries that lost their nodes go first,
 *    whatever their class: they are counted already.
 * F2 A node gets work only while it has fewer than 2 queries per slot, or fewer than 64 and less than 250 ms per slot.
 * F3 Of the nodes with room the one with the least predicted time per slot is served first.
 * F4 Queries that lost their nodes do not wait for room: they go at once to the nodes with the least to do, up to 64 per
 *    slot, since somebody has been waiting for them already.
 * F5 A job that has had nothing yet gets its first query at once, room or not: the spare thread of its node begins it
 *    while every slot is busy. Bounded under a flood of submissions.
 * F6 A query that failed on a node goes to another one, where there is another one.
 * F7 When a job's last inputs are handed out, a query that has been under way for longer than twice the job's p95 is given to
 *    an idle slot of another node as well; to one only. The first result counts.
 * F8 Of the classes with such a job, the one whose job of F1 stands highest is served: its class, and one more for each
 *    {@link ageingMs} since it last got a query; of equals the one that has waited longer (scheduler/classes.ts).
 * F9 Nobody starves: once a job that is the furthest behind of its class has waited one period for each class between its
 *    own and the highest, and one more, no job of another class gets more than one query before it.
 */
import { Heap } from "../lib/heap.ts";
import { quantile } from "../lib/histogram.ts";
import type { JobId, LogTime, NodeId, QueryNumber } from "../lib/types.ts";
import { type Competitor, competitorOf, isFurtherBehind, Standings } from "./classes.ts";
import { advanced, hasEnded, nextCount } from "./rows.ts";
import type { Assign, JobRecord, QueryRecord } from "./types.ts";

/** A node that may be given work: up, this boot, and so many inference threads. */
export interface NodeCapacity {
  readonly node: NodeId;
  readonly boot: string;
  readonly slots: number;
}

export interface PlanInput {
  /** Any order; only running ones get work, but paused ones may still occupy nodes. */
  readonly jobs: Iterable<JobRecord>;
  readonly openQueries: (job: JobId) => Iterable<QueryRecord>;
  readonly nodes: readonly NodeCapacity[];
  /** Milliseconds that this many inputs will take there; undefined when unknown (scheduler/prediction.ts). */
  readonly predictedMs: (job: JobId, node: NodeId, inputs: number) => number | undefined;
  /** Log time: how long jobs and queries have waited. */
  readonly now: LogTime;
}

/** Work per slot in predicted milliseconds: neither a round trip nor an election (150 ms) leaves a slot idle. */
export const aheadMs = 250;
/** One running and one that waits: the next is there when the slot asks. */
export const leastPerSlot = 2;
/** Beyond this a node's death would throw back too much, and no model is so fast that 250 ms need more. */
export const mostPerSlot = 64;
/** Jobs begun by one plan: each takes a place for a moment that others have waited for. */
export const newcomersPerPlan = 16;
/** Assignments of one plan: a command of some 200 KB. The next plan goes on where this one ended. */
export const assignsPerPlan = 2_048;
/** F7: queries from which a job's p95 is learnt. */
const learnFrom = 5;

/** What a node has in hand, as the plan goes on. */
interface Load extends NodeCapacity {
  queries: number;
  ms: number;
}

/** A job as the plan goes on: what apply will make of it. */
interface Standing extends Competitor {
  readonly totalInputs: number;
  readonly batchSize: number;
  readonly weight: number;
  cursor: number;
  progress: number;
  servedAt: LogTime;
}

/** Plans what to hand out now. Deterministic; costs the open queries plus a logarithm per assignment. */
export function planAssignments(input: PlanInput): readonly Assign[] {
  const loads = new Map<NodeId, Load>();
  for (const node of input.nodes)
    if (node.slots > 0) loads.set(node.node, { ...node, queries: 0, ms: 0 });
  const standings = new Standings<Standing>(input.now);
  const unattended: QueryRecord[] = [];
  const late: QueryRecord[] = [];
  const unfinished = [...input.jobs].filter((job) => !hasEnded(job.status));
  for (const job of unfinished.toSorted((a, b) => (isServedBefore(a, b) ? -1 : 1))) {
    const lateFrom = input.now - lateMs(job);
    for (const query of input.openQueries(job.id)) {
      if (query.attempts.length === 0 && job.status.kind === "running") unattended.push(query);
      else countAttempts(loads, query, input.predictedMs);
      if (isLate(query, lateFrom)) late.push(query);
    }
    if (job.status.kind === "running" && nextCount(job) > 0) standings.push(standingOf(job));
  }
  const all = [...loads.values()];
  const assigns = handOutLost(all, unattended, input.predictedMs);
  const offer: Offer = { standings, now: input.now, predictedMs: input.predictedMs };
  handOut(assigns, all, offer);
  handOutFirst(assigns, all, offer);
  handOutLate(assigns, all, { late, predictedMs: input.predictedMs });
  return assigns;
}

/** F4. */
function handOutLost(
  loads: readonly Load[],
  unattended: readonly QueryRecord[],
  predictedMs: PlanInput["predictedMs"],
): Assign[] {
  const idlest = new Heap(isIdler);
  for (const load of loads) if (load.queries < mostPerSlot * load.slots) idlest.push(load);
  const assigns: Assign[] = [];
  for (const { job, query, count, blamed } of unattended) {
    const load = assigns.length < assignsPerPlan ? popUnblamed(idlest, blamed ?? []) : undefined;
    if (load === undefined) break;
    assigns.push(give(load, { job, query, count }, predictedMs));
    if (load.queries < mostPerSlot * load.slots) idlest.push(load);
  }
  return assigns;
}

/** F6: the idlest on which the query has not failed yet; or else the idlest. */
function popUnblamed(idlest: Heap<Load>, blamed: readonly NodeId[]): Load | undefined {
  const passed: Load[] = [];
  let load = idlest.pop();
  while (load !== undefined && blamed.includes(load.node)) {
    passed.push(load);
    load = idlest.pop();
  }
  load ??= passed.shift();
  for (const each of passed) idlest.push(each);
  return load;
}

/** F7: how long a query may be under way; for ever while nothing is known, or the job has more to hand out. */
function lateMs(job: JobRecord): number {
  const { status, statistics, cursor, totalInputs } = job;
  if (status.kind !== "running" || cursor < totalInputs || statistics.count < learnFrom)
    return Infinity;
  // It may have waited for its slot behind others for as long as work is handed out ahead.
  return 2 * (quantile(statistics.histogram, 0.95) ?? Infinity) + aheadMs;
}

/** A suspect is late because it waits until nothing else runs. */
function isLate({ attempts, suspect }: QueryRecord, lateFrom: number): boolean {
  const [only] = attempts;
  return attempts.length === 1 && only !== undefined && only.at < lateFrom && suspect !== true;
}

/** F7: the longest under way first. */
function handOutLate(
  assigns: Assign[],
  loads: readonly Load[],
  {
    late,
    predictedMs,
  }: { readonly late: readonly QueryRecord[]; readonly predictedMs: PlanInput["predictedMs"] },
): void {
  const idle = new Set(loads.filter(({ queries, slots }) => queries < slots));
  const since = ({ attempts }: QueryRecord): number => attempts[0]?.at ?? Infinity;
  for (const { job, query, count, attempts } of late.toSorted((a, b) => since(a) - since(b))) {
    const load = [...idle].find(({ node }) => node !== attempts[0]?.node);
    if (assigns.length >= assignsPerPlan || idle.size === 0) return;
    if (load === undefined) continue;
    assigns.push(give(load, { job, query, count }, predictedMs));
    if (load.queries >= load.slots) idle.delete(load);
  }
}

interface Offer {
  readonly standings: Standings<Standing>;
  readonly now: LogTime;
  readonly predictedMs: PlanInput["predictedMs"];
}

/** F1 to F3. */
function handOut(
  assigns: Assign[],
  loads: readonly Load[],
  { standings, now, predictedMs }: Offer,
): void {
  const idlest = new Heap(isIdler);
  for (const load of loads) if (hasRoom(load)) idlest.push(load);
  while (assigns.length < assignsPerPlan) {
    const load = idlest.pop();
    const work = load === undefined ? undefined : carveNext(standings, now);
    if (load === undefined || work === undefined) break;
    assigns.push(give(load, work, predictedMs));
    if (hasRoom(load)) idlest.push(load);
  }
}

/** F5: for the jobs that nobody had room for. */
function handOutFirst(
  assigns: Assign[],
  loads: readonly Load[],
  { standings, now, predictedMs }: Offer,
): void {
  const idlest = new Heap(isIdler);
  for (const load of loads) if (load.queries < mostPerSlot * load.slots) idlest.push(load);
  let begun = 0;
  for (let job = standings.pop(); job !== undefined; job = standings.pop()) {
    if (job.cursor > 0) continue;
    const load = assigns.length < assignsPerPlan ? idlest.pop() : undefined;
    if (load === undefined || begun === newcomersPerPlan) return;
    begun += 1;
    assigns.push(give(load, { ...carve(job, now), query: undefined }, predictedMs));
    if (load.queries < mostPerSlot * load.slots) idlest.push(load);
  }
}

function give(
  load: Load,
  { job, query, count }: { job: JobId; query: QueryNumber | undefined; count: number },
  predictedMs: PlanInput["predictedMs"],
): Assign {
  load.queries += 1;
  load.ms += predictedMs(job, load.node, count) ?? aheadMs;
  return { job, node: load.node, boot: load.boot, query };
}

/** F1 and F8, as apply will do it. */
function carveNext(
  standings: Standings<Standing>,
  now: LogTime,
):
  | { readonly job: JobId; readonly query: QueryNumber | undefined; readonly count: number }
  | undefined {
  const job = standings.pop();
  if (job === undefined) return undefined;
  const work = carve(job, now);
  if (nextCount(job) > 0) standings.push(job);
  return { ...work, query: undefined };
}

function carve(job: Standing, now: LogTime): { readonly job: JobId; readonly count: number } {
  const count = nextCount(job);
  job.cursor += count;
  job.progress = advanced(job.progress, job.weight);
  job.servedAt = now;
  return { job: job.id, count };
}

/** A query counts for every node that works on it; of unknown cost, as a slot's full share: so such nodes get 2 a slot. */
function countAttempts(
  loads: ReadonlyMap<NodeId, Load>,
  query: QueryRecord,
  predictedMs: PlanInput["predictedMs"],
): void {
  for (const { node, boot } of query.attempts) {
    const load = loads.get(node);
    if (load === undefined || load.boot !== boot) continue;
    load.queries += 1;
    load.ms += predictedMs(query.job, node, query.count) ?? aheadMs;
  }
}

function standingOf(job: JobRecord): Standing {
  const { totalInputs, batchSize, weight, cursor } = job;
  return { ...competitorOf(job), totalInputs, batchSize, weight, cursor };
}

/** F2. */
function hasRoom({ queries, ms, slots }: Load): boolean {
  if (queries < leastPerSlot * slots) return true;
  return queries < mostPerSlot * slots && ms < aheadMs * slots;
}

/** F3; of equals the one with fewer queries, then by name. */
function isIdler(a: Load, b: Load): boolean {
  const ms = a.ms / a.slots - b.ms / b.slots;
  if (ms !== 0) return ms < 0;
  const queries = a.queries / a.slots - b.queries / b.slots;
  return queries === 0 ? a.node < b.node : queries < 0;
}

/** Which job's lost queries go first (F4): the higher class's, then those of the job furthest behind. */
function isServedBefore(a: JobRecord, b: JobRecord): boolean {
  const [first = 0, second = 0] = [a.priority, b.priority];
  return first === second ? isFurtherBehind(a, b) : first > second;
}
