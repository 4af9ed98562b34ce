/**
 * The scheduler's tables and how a job is read from and written to its two rows: what a submission fixes is large and
 * written once, what changes is small and written by every `work` command.
 */
import { type Rows, Table, padded } from "../lib/rows.ts";
import type { JobId, NodeId, QueryNumber } from "../lib/types.ts";
import { isOnProbation } from "./probation.ts";
import type { JobFixed, JobProgress, JobRecord, QueryRecord, ResultRow } from "./types.ts";

/** Hot. */
export const jobs = new Table<JobFixed>("job");
/** Hot. */
export const progresses = new Table<JobProgress>("progress");
/** Hot; the open queries of a job are the part `<job>`. */
export const queries = new Table<QueryRecord>("query");
/** Cold. */
export const results = new Table<ResultRow>("result");

/** The id of a query's row, open or result: `j42/0000000007`. */
export function queryId(job: JobId, query: QueryNumber): string {
  return `${job}/${padded(query, 10)}`;
}

export function joinJob(fixed: JobFixed, progress: JobProgress): JobRecord {
  return { ...fixed, ...progress };
}

export function readJob(rows: Rows, id: JobId): JobRecord | undefined {
  const fixed = jobs.get(rows, id);
  const progress = progresses.get(rows, id);
  return fixed === undefined || progress === undefined ? undefined : joinJob(fixed, progress);
}

/** Writes what changes of a job. Its fixed row is written at submission only. */
export function writeProgress(rows: Rows, job: JobRecord): void {
  const progress: JobProgress = {
    status: job.status,
    startedAt: job.startedAt,
    endedAt: job.endedAt,
    batchSize: job.batchSize,
    weight: job.weight,
    cursor: job.cursor,
    nextQuery: job.nextQuery,
    openQueries: job.openQueries,
    progress: job.progress,
    doneInputs: job.doneInputs,
    errorInputs: job.errorInputs,
    doneQueries: job.doneQueries,
    retries: job.retries,
    prunedQueries: job.prunedQueries,
    statistics: job.statistics,
    priority: job.priority,
    servedAt: job.servedAt,
    failures: job.failures,
    speculativeAttempts: job.speculativeAttempts,
  };
  progresses.put(rows, job.id, progress);
}

export function hasEnded(status: JobProgress["status"]): boolean {
  return status.kind !== "running" && status.kind !== "paused";
}

/** What submissions fixed of the jobs that have not ended. */
export function unfinishedJobs(rows: Rows): JobFixed[] {
  return progresses.list(rows).flatMap(([id, { status }]) => {
    const fixed = hasEnded(status) ? undefined : jobs.get(rows, id);
    return fixed === undefined ? [] : [fixed];
  });
}

/**
 * The virtual time of a class, where a job that starts, resumes, passes its probation or comes from another class begins: the
 * least progress of those of the class that run and have inputs left to hand out. One that only waits for its last results
 * competes for nothing and may be far behind; so does one on probation, unless all are. Where nobody competes, it is the
 * most progress of all that have not ended, so that nobody comes back with a debt.
 */
export function fairStart(rows: Rows, ofClass: number): number {
  let competing = Infinity;
  let running = Infinity;
  let most = 0;
  for (const [id, job] of progresses.list(rows)) {
    const { status, progress, cursor, priority = 0 } = job;
    if (hasEnded(status) || priority !== ofClass) continue;
    most = Math.max(most, progress);
    if (status.kind !== "running") continue;
    if (cursor >= (jobs.get(rows, id)?.totalInputs ?? 0)) continue; // unreachable: a job has both its rows
    running = Math.min(running, progress);
    if (!isOnProbation(job)) competing = Math.min(competing, progress);
  }
  return [competing, running].find(Number.isFinite) ?? most;
}

/** A job's progress after one more query was carved. Apply and the policy's simulation must agree to the last bit. */
export function advanced(progress: number, weight: number): number {
  return progress + 1 / weight;
}

/** Inputs of the next query of a job; 0 when every input is covered. */
export function nextCount(job: {
  readonly cursor: number;
  readonly totalInputs: number;
  readonly batchSize: number;
}): number {
  return Math.min(job.batchSize, job.totalInputs - job.cursor);
}

/** Whether it is there to be handed out: it runs and has inputs left. */
export function hasWork(
  job: Pick<JobProgress, "status"> & Parameters<typeof nextCount>[0],
): boolean {
  return job.status.kind === "running" && nextCount(job) > 0;
}

/** Forgets what a job still had open: it ended early. */
export function dropOpenQueries(rows: Rows, job: JobId): void {
  for (const [id] of queries.list(rows, job)) queries.delete(rows, `${job}/${id}`);
}

/**
 * Takes a node's attempts from all open queries: it went down, or started anew and has forgotten them. Queries that
 * nobody works on any more stay open, to be handed out again.
 */
export function releaseAttempts(rows: Rows, node: NodeId): void {
  for (const [job, { openQueries }] of progresses.list(rows)) {
    if (openQueries === 0) continue;
    for (const [id, query] of queries.list(rows, job)) {
      const kept = query.attempts.filter((a) => a.node !== node);
      if (kept.length < query.attempts.length)
        queries.put(rows, `${job}/${id}`, { ...query, attempts: kept });
    }
  }
}
