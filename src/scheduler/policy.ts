/**
 * Fair-time hand-out: which node gets which job's next query. Whoever has a free place asks the job that is furthest
 * behind in queries per weight; so query rates are equal by construction, for any number of jobs and any ratio of
 * their costs. A plan is a proposal only: apply checks every assignment again.
 *
 * F1 Inside a class of priority, a new query goes to the running job with inputs left whose progress is least, of those that
 *    a node has room for, each one counted before the next is chosen; of equals, to the one submitted first. Queries that
 *    lost their nodes go first, whatever their class: they are counted already.
 * F2 A node has room for any job's query while it has fewer than 2 queries per slot, or fewer than 64 and less than 250 ms
 *    per slot. On a node jobs take turns (inference/interleaver.ts), so that each has its share at any time and not only in
 *    the end: a slot has turns for 4 jobs, and room for a query of a job that has no turn there; and, while it has fewer than 8
 *    queries, for a second one of a job that has: when the first is done, the next is there, and the others do not go on
 *    alone. No seconds while a job that has begun waits for a turn: they would keep it from ever having one. There are no
 *    turns while a job of another class, whose turn came before, waits for room.
 * F3 Of the nodes with room those come first that have fewer than one query of the job per slot, then the one with the least
 *    predicted time per slot.
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
 * F10 While, as a plan begins, a job that has passed its probation (scheduler/probation.ts) has inputs left, those on probation
 *    have a quarter of the slots in queries, or one, all together; the first query of each apart. F1, F8 and F9 are about the
 *    others.
 * F11 Suspects run beside the slots: they count for no node's room, and go to the node with the fewest of them.
 */
import { Heap } from "../lib/heap.ts";
import { quantile } from "../lib/histogram.ts";
import type { JobId, LogTime, NodeId, QueryNumber } from "../lib/types.ts";
import { type Competitor, competitorOf, isFurtherBehind, Standings } from "./classes.ts";
import { isOnProbation, probationQueries } from "./probation.ts";
import { aheadMs, Load, type NodeCapacity, placeFor } from "./room.ts";
import { advanced, hasEnded, hasWork, nextCount } from "./rows.ts";
import type { Assign, JobRecord, QueryRecord } from "./types.ts";

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

/** Jobs begun by one plan: each takes a place for a moment that others have waited for. */
export const newcomersPerPlan = 16;
/** Assignments of one plan: a command of some 200 KB. The next plan goes on where this one ended. */
export const assignsPerPlan = 2_048;
/** F7: queries from which a job's p95 is learnt. */
const learnFrom = 5;

/** A job as the plan goes on: what apply will make of it. */
interface Standing extends Competitor {
  readonly totalInputs: number;
  readonly batchSize: number;
  readonly weight: number;
  cursor: number;
  progress: number;
  servedAt: LogTime;
  readonly onProbation: boolean;
}

/** F10: what the jobs on probation have in hand, and what they may have. */
interface Probation {
  queries: number;
  readonly most: number;
}

/** Plans what to hand out now. Deterministic; costs the open queries plus a logarithm per assignment. */
export function planAssignments(input: PlanInput): readonly Assign[] {
  const loads = new Map<NodeId, Load>();
  for (const node of input.nodes) if (node.slots > 0) loads.set(node.node, new Load(node));
  const standings = new Standings<Standing>(input.now);
  const unattended: QueryRecord[] = [];
  const late: QueryRecord[] = [];
  const unfinished = [...input.jobs].filter((job) => !hasEnded(job.status));
  const turnMs = turnMsOf(unfinished);
  for (const job of unfinished.toSorted((a, b) => (isServedBefore(a, b) ? -1 : 1))) {
    const lateFrom = input.now - lateMs(job, turnMs);
    for (const query of input.openQueries(job.id)) {
      if (query.attempts.length === 0 && job.status.kind === "running") unattended.push(query);
      else countAttempts(loads, query, input.predictedMs);
      if (isLate(query, lateFrom)) late.push(query);
    }
    if (hasWork(job)) standings.push(standingOf(job));
  }
  const all = [...loads.values()];
  const assigns = handOutLost(all, unattended, input.predictedMs);
  const probation = probationOf(unfinished, all);
  const offer: Offer = { standings, probation, now: input.now, predictedMs: input.predictedMs };
  handOut(assigns, all, offer);
  handOutFirst(assigns, all, offer);
  handOutLate(assigns, all, { late, predictedMs: input.predictedMs });
  return assigns;
}

/** F10. */
function probationOf(jobs: readonly JobRecord[], loads: readonly Load[]): Probation {
  const isShared = jobs.some((job) => hasWork(job) && !isOnProbation(job));
  const slots = loads.reduce((sum, load) => sum + load.slots, 0);
  const queries = jobs.reduce((sum, job) => sum + (isOnProbation(job) ? job.openQueries : 0), 0);
  return { queries, most: isShared ? probationQueries(slots) : Infinity };
}

/** F4, and F11: suspects first, since others may be waiting for what is found out about them. */
function handOutLost(
  loads: readonly Load[],
  unattended: readonly QueryRecord[],
  predictedMs: PlanInput["predictedMs"],
): Assign[] {
  const assigns: Assign[] = [];
  const handOutTo = (
    idlest: Heap<Load>,
    queries: readonly QueryRecord[],
    mayHaveMore: (load: Load) => boolean,
  ): void => {
    for (const load of loads) if (mayHaveMore(load)) idlest.push(load);
    for (const { job, query, count, blamed, suspect } of queries) {
      const load = assigns.length < assignsPerPlan ? popUnblamed(idlest, blamed ?? []) : undefined;
      if (load === undefined) return;
      assigns.push(give(load, { job, query, count, suspect }, predictedMs));
      if (mayHaveMore(load)) idlest.push(load);
    }
  };
  const [suspects, others] = [true, undefined].map((is) =>
    unattended.filter(({ suspect }) => suspect === is),
  );
  handOutTo(new Heap(Load.hasFewerSuspects), suspects ?? [], (load) => load.isUnderMostSuspects);
  handOutTo(new Heap(Load.isIdler), others ?? [], (load) => load.isUnderMost);
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

/** How long a slot takes while each running job has a query done per weight: jobs take turns. */
function turnMsOf(jobs: readonly JobRecord[]): number {
  return jobs
    .filter(({ status }) => status.kind === "running")
    .reduce((sum, { weight, statistics }) => sum + weight * (p95Ms(statistics) ?? 0), 0);
}

function p95Ms({ histogram }: JobRecord["statistics"]): number | undefined {
  return quantile(histogram, 0.95);
}

/**
 * F7: how long a query may be under way, beside the others that take turns with it; for ever while nothing is known, or the
 * job has more to hand out.
 */
function lateMs(job: JobRecord, turnMs: number): number {
  const { status, statistics, cursor, totalInputs, weight } = job;
  if (status.kind !== "running" || cursor < totalInputs || statistics.count < learnFrom)
    return Infinity;
  // It may have waited for its slot behind others for as long as work is handed out ahead.
  return 2 * Math.max(p95Ms(statistics) ?? Infinity, turnMs / weight) + aheadMs;
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
  const idle = new Set(loads.filter(({ isIdle }) => isIdle));
  const since = ({ attempts }: QueryRecord): number => attempts[0]?.at ?? Infinity;
  for (const { job, query, count, attempts } of late.toSorted((a, b) => since(a) - since(b))) {
    const load = [...idle].find(({ node }) => node !== attempts[0]?.node);
    if (assigns.length >= assignsPerPlan || idle.size === 0) return;
    if (load === undefined) continue;
    assigns.push(give(load, { job, query, count }, predictedMs));
    if (!load.isIdle) idle.delete(load);
  }
}

interface Offer {
  readonly standings: Standings<Standing>;
  readonly probation: Probation;
  readonly now: LogTime;
  readonly predictedMs: PlanInput["predictedMs"];
}

/** F1 to F3. */
function handOut(assigns: Assign[], loads: readonly Load[], offer: Offer): void {
  const { standings, probation, predictedMs } = offer;
  /** Nobody has room for these. */
  const waiting: Standing[] = [];
  const waitingClasses = new Set<number>();
  /** None of them that has begun lacks a turn on some slot; the others begin at once (F5). */
  let mayHaveNext = true;
  const isOpen = (load: Load): boolean => load.isOpen({ mayHaveNext });
  let open = loads.filter(isOpen);
  while (assigns.length < assignsPerPlan && open.length > 0) {
    const job = standings.pop((each) => isKeptBack(each, probation));
    if (job === undefined) break;
    const mayTurn = [...waitingClasses].every((each) => each === job.priority);
    const load = placeFor(job.id, open, { mayTurn, mayHaveNext: mayTurn && mayHaveNext });
    if (load === undefined) {
      waiting.push(job);
      waitingClasses.add(job.priority);
      if (mayHaveNext && job.cursor > 0 && loads.some((each) => each.lacks(job.id))) {
        mayHaveNext = false;
        open = open.filter(isOpen);
      }
      continue;
    }
    assigns.push(give(load, carve(job, offer), predictedMs));
    if (nextCount(job) > 0) standings.push(job);
    if (!isOpen(load)) open = open.filter(isOpen);
  }
  for (const job of waiting) standings.push(job);
}

/** F5: for the jobs that nobody had room for. */
function handOutFirst(assigns: Assign[], loads: readonly Load[], offer: Offer): void {
  const { standings, predictedMs } = offer;
  const idlest = new Heap(Load.isIdler);
  for (const load of loads) if (load.isUnderMost) idlest.push(load);
  let begun = 0;
  for (let job = standings.pop(); job !== undefined; job = standings.pop()) {
    if (job.cursor > 0) continue;
    const load = assigns.length < assignsPerPlan ? idlest.pop() : undefined;
    if (load === undefined || begun === newcomersPerPlan) return;
    begun += 1;
    assigns.push(give(load, carve(job, offer), predictedMs));
    if (load.isUnderMost) idlest.push(load);
  }
}

interface Handed {
  readonly job: JobId;
  readonly query: QueryNumber | undefined;
  readonly count: number;
  readonly suspect?: true | undefined;
}

function give(
  load: Load,
  { job, query, count, suspect }: Handed,
  predictedMs: PlanInput["predictedMs"],
): Assign {
  if (suspect === true) load.takeSuspect();
  else load.take(job, predictedMs(job, load.node, count));
  return { job, node: load.node, boot: load.boot, query };
}

/** F10. */
function isKeptBack({ onProbation, cursor }: Standing, { queries, most }: Probation): boolean {
  return onProbation && cursor > 0 && queries >= most;
}

/** As apply will do it. */
function carve(job: Standing, { now, probation }: Offer): Handed {
  const count = nextCount(job);
  job.cursor += count;
  job.progress = advanced(job.progress, job.weight);
  job.servedAt = now;
  if (job.onProbation) probation.queries += 1;
  return { job: job.id, query: undefined, count };
}

/** A query counts for every node that works on it. */
function countAttempts(
  loads: ReadonlyMap<NodeId, Load>,
  query: QueryRecord,
  predictedMs: PlanInput["predictedMs"],
): void {
  for (const { node, boot } of query.attempts) {
    const load = loads.get(node);
    if (load === undefined || load.boot !== boot) continue;
    if (query.suspect === true) load.takeSuspect();
    else load.take(query.job, predictedMs(query.job, node, query.count));
  }
}

function standingOf(job: JobRecord): Standing {
  const { totalInputs, batchSize, weight, cursor } = job;
  const onProbation = isOnProbation(job);
  return { ...competitorOf(job), totalInputs, batchSize, weight, cursor, onProbation };
}

/** Which job's lost queries go first (F4): the higher class's, then those of the job furthest behind. */
function isServedBefore(a: JobRecord, b: JobRecord): boolean {
  const [first = 0, second = 0] = [a.priority, b.priority];
  return first === second ? isFurtherBehind(a, b) : first > second;
}
