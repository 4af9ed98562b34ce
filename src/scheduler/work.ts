/**
 * The `work` command: results in, queries out. It is the system's hot path, and the whole of "every input exactly once"
 * rests on the few lines here, whatever workers and leaders repeat, lose or reorder.
 *
 * S1 Queries of a job have numbers 0 to nextQuery - 1. Those open and done cover [0, cursor) without gap or overlap.
 * S2 A query is open (a query row), done or split (a result row), never two of these, and never open again.
 * S3 openQueries counts the query rows, doneQueries the result rows of queries that were not split, doneInputs their inputs.
 * S4 A job that has ended has no open query, and nothing but pruning changes it.
 * S5 Attempt numbers of a query only grow; a node has at most one attempt of it at a time.
 * S6 The arrays of a query are visible exactly when its result has rows of them: one command makes both, once.
 */
import type { FileUpload } from "../lib/content.ts";
import type { AssignedQuery, Outcome } from "../lib/outcome.ts";
import { ok } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import { Attempt, type JobId, type NodeId, QueryNumber } from "../lib/types.ts";
import {
  advanced,
  dropOpenQueries,
  fairStart,
  hasEnded,
  nextCount,
  queries,
  queryId,
  readJob,
  results,
  writeProgress,
} from "./rows.ts";
import { failureCodes, isGuilty, split } from "./failure.ts";
import { isOnProbation } from "./probation.ts";
import { errorCount, isCompletionOf, tensorsPath } from "./results.ts";
import { withQuery } from "./statistics.ts";
import type { Assign, Completion, JobRecord, QueryFailure, QueryRecord, Work } from "./types.ts";

/** Who may be given work: the machine's member list answers. */
export interface Workers {
  /** Whether this boot of a node may. */
  mayWork(node: NodeId, boot: string): boolean;
  /** All nodes that may, and have slots. */
  all(): readonly NodeId[];
}

/** What a `work` command rests on besides the scheduler's rows. */
export interface WorkContext {
  readonly stamp: Stamp;
  readonly workers: Workers;
  /** Makes a file visible; false when it cannot be, for want of copies: then nothing was written. */
  readonly publish: (file: FileUpload) => boolean;
}

/** Applies completions, then assignments. What does not fit the state is skipped: whoever sent it looks again. */
export function applyWork(rows: Rows, command: Work, context: WorkContext): Outcome {
  const { stamp, workers } = context;
  const jobs = new TouchedJobs(rows);
  for (const completion of command.complete) complete(rows, jobs, completion, context);
  const assigned: AssignedQuery[] = [];
  for (const assign of command.assign) {
    if (!workers.mayWork(assign.node, assign.boot)) continue;
    const query = handOut(rows, jobs, assign, stamp);
    if (query !== undefined) assigned.push(query);
  }
  jobs.write();
  return ok({ kind: "assigned", assigned });
}

/** The jobs of one command: each is read once and written once, however many of its queries the command has. */
class TouchedJobs {
  readonly #rows: Rows;
  readonly #read = new Map<JobId, JobRecord | undefined>();
  readonly #changed = new Map<JobId, JobRecord>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get(id: JobId): JobRecord | undefined {
    if (!this.#read.has(id)) this.#read.set(id, readJob(this.#rows, id));
    return this.#read.get(id);
  }

  set(job: JobRecord): void {
    this.#read.set(job.id, job);
    this.#changed.set(job.id, job);
  }

  write(): void {
    for (const job of this.#changed.values()) writeProgress(this.#rows, job);
  }
}

/** S2: the first result wins, whatever its attempt; what comes later finds no open query and is ignored. */
function complete(
  rows: Rows,
  jobs: TouchedJobs,
  completion: Completion,
  context: WorkContext,
): void {
  const { query: number, tensors, failed } = completion;
  const job = jobs.get(completion.job);
  if (job === undefined || hasEnded(job.status)) return;
  const id = queryId(job.id, number);
  const query = queries.get(rows, id);
  if (query === undefined) return;
  if (failed !== undefined) {
    fail(rows, jobs, { job, query, completion, failed }, context);
    return;
  }
  // S6. Of arrays with too few copies the query is run again: whoever sent them had made sure, so it is rare.
  const isTaken =
    isCompletionOf(job.model.manifest, query.count, completion) &&
    (tensors === undefined ||
      context.publish({
        ...tensors,
        path: tensorsPath(job.id, query.from),
        ifVersion: undefined,
      }));
  if (!isTaken) {
    reject(rows, query, completion);
    return;
  }
  settle(rows, jobs, { job, query, completion }, context.stamp);
}

interface Settled {
  readonly job: JobRecord;
  readonly query: QueryRecord;
  readonly completion: Pick<Completion, "outputs" | "elapsedMs">;
}

/** The query has its results. */
function settle(
  rows: Rows,
  jobs: TouchedJobs,
  { job, query, completion: { outputs, elapsedMs } }: Settled,
  stamp: Stamp,
): void {
  const id = queryId(job.id, query.query);
  queries.delete(rows, id);
  results.put(rows, id, { from: query.from, count: query.count, outputs });
  const settled: JobRecord = {
    ...job,
    openQueries: job.openQueries - 1,
    doneInputs: job.doneInputs + query.count,
    errorInputs: job.errorInputs + errorCount(outputs),
    doneQueries: job.doneQueries + 1,
    statistics: withQuery(job.statistics, { elapsedMs, inputs: query.count, now: stamp.now }),
  };
  const passes = isOnProbation(job) && !isOnProbation(settled);
  jobs.set(failedPastLimit(rows, stamp, passes ? competing(rows, settled) : settled));
}

/** What it was kept back while on probation is no credit, as little as a pause. */
function competing(rows: Rows, job: JobRecord): JobRecord {
  return { ...job, progress: Math.max(job.progress, fairStart(rows, job.priority ?? 0)) };
}

/** It ended the executor: failure.ts says what becomes of it. */
function fail(
  rows: Rows,
  jobs: TouchedJobs,
  trouble: {
    readonly job: JobRecord;
    readonly query: QueryRecord;
    readonly completion: Completion;
    readonly failed: QueryFailure;
  },
  { stamp, workers }: WorkContext,
): void {
  const { query, completion, failed } = trouble;
  const { node, attempt, elapsedMs } = completion;
  const attempts = query.attempts.filter((a) => a.node !== node || a.attempt !== attempt);
  if (attempts.length === query.attempts.length) return; // T1
  const job = { ...trouble.job, failures: (trouble.job.failures ?? 0) + 1 };
  if (query.count > 1) {
    jobs.set(split(rows, job, query));
    return;
  }
  const blamed = [...(query.blamed ?? []), node];
  if (isGuilty(blamed, workers.all()))
    settle(
      rows,
      jobs,
      { job, query, completion: { outputs: [failureCodes[failed]], elapsedMs } },
      stamp,
    );
  else {
    queries.put(rows, queryId(job.id, query.query), { ...query, attempts, suspect: true, blamed });
    jobs.set(job);
  }
}

/** A worker that answers nonsense counts as one that gave up: else the query would wait for it for ever. */
function reject(rows: Rows, query: QueryRecord, { node, attempt }: Completion): void {
  const attempts = query.attempts.filter((a) => a.node !== node || a.attempt !== attempt);
  if (attempts.length < query.attempts.length)
    queries.put(rows, queryId(query.job, query.query), { ...query, attempts });
}

function failedPastLimit(rows: Rows, stamp: Stamp, job: JobRecord): JobRecord {
  const { maxErrors, errorInputs } = job;
  if (maxErrors === undefined || errorInputs <= maxErrors) return job;
  dropOpenQueries(rows, job.id);
  const why = `${errorInputs} inputs ended in an error; at most ${maxErrors} may`;
  return { ...job, status: { kind: "failed", why }, endedAt: stamp.now, openQueries: 0 };
}

function handOut(
  rows: Rows,
  jobs: TouchedJobs,
  assign: Assign,
  stamp: Stamp,
): AssignedQuery | undefined {
  const job = jobs.get(assign.job);
  if (job?.status.kind !== "running") return undefined;
  const query =
    assign.query === undefined
      ? carve(rows, jobs, job, assign, stamp)
      : tryAgain(rows, jobs, job, assign.query, assign, stamp);
  if (query === undefined) return undefined;
  const { node, boot } = assign;
  const { from, count, lastAttempt: attempt } = query;
  const assigned = { job: job.id, query: query.query, attempt, node, boot, from, count };
  return query.suspect === true ? { ...assigned, suspect: true } : assigned;
}

/** S1: the next query begins where the last one ended, with the batch size of this moment. */
function carve(
  rows: Rows,
  jobs: TouchedJobs,
  job: JobRecord,
  { node, boot }: Assign,
  { now }: Stamp,
): QueryRecord | undefined {
  const count = nextCount(job);
  if (count <= 0) return undefined;
  const attempt = Attempt(1);
  const query: QueryRecord = {
    job: job.id,
    query: job.nextQuery,
    from: job.cursor,
    count,
    lastAttempt: attempt,
    attempts: [{ attempt, node, boot, at: now }],
  };
  queries.put(rows, queryId(job.id, query.query), query);
  jobs.set({
    ...job,
    startedAt: job.startedAt ?? now,
    cursor: job.cursor + count,
    nextQuery: QueryNumber(job.nextQuery + 1),
    openQueries: job.openQueries + 1,
    progress: advanced(job.progress, job.weight),
    servedAt: now,
  });
  return query;
}

/** S5: a further attempt, on this node instead of its earlier one; other nodes' attempts may still win. */
function tryAgain(
  rows: Rows,
  jobs: TouchedJobs,
  job: JobRecord,
  number: QueryNumber,
  { node, boot }: Assign,
  { now }: Stamp,
): QueryRecord | undefined {
  const id = queryId(job.id, number);
  const open = queries.get(rows, id);
  if (open === undefined) return undefined;
  const attempt = Attempt(open.lastAttempt + 1);
  const others = open.attempts.filter((a) => a.node !== node);
  const query = {
    ...open,
    lastAttempt: attempt,
    attempts: [...others, { attempt, node, boot, at: now }],
  };
  queries.put(rows, id, query);
  jobs.set(
    others.length === 0
      ? { ...job, retries: job.retries + 1 }
      : { ...job, speculativeAttempts: (job.speculativeAttempts ?? 0) + 1 },
  );
  return query;
}
