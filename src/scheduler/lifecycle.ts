/**
 * A job's life but for its work: submitted, changed, paused, resumed, cancelled, finished, its rows pruned. What a
 * submission or an end needs from outside (model, manifest, results file) comes in already looked up and pinned.
 */
import type { Pin } from "../lib/content.ts";
import { type Outcome, done, ok, refuse } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import { bytesOfRow, rowsPerQuery } from "../lib/tensors.ts";
import { JobId, QueryNumber } from "../lib/types.ts";
import { priorities } from "./classes.ts";
import {
  dropOpenQueries,
  hasEnded,
  jobs,
  progresses,
  queryId,
  readJob,
  results,
  fairStart,
  writeProgress,
} from "./rows.ts";
import { emptyStatistics } from "./statistics.ts";
import type {
  JobFixed,
  JobRecord,
  ModelPin,
  PruneResults,
  SetJob,
  SteerJob,
  SubmitJob,
} from "./types.ts";

export const jobLimits = {
  /** Inputs of a job: its manifest is then 4,883 chunks, which its row still names. Same as the HTTP interface's. */
  inputs: 10_000_000,
  /** Inputs per query: a query is the unit of retry, and its results must fit a command many times over. */
  batchSize: 1_024,
  /** Weights, from least to most: a ratio of 10,000 starves nobody within an hour of queries. */
  weight: { least: 0.01, most: 100 },
  /** Characters of a job's name, for tables. */
  name: 128,
  /** Jobs that have not ended: each is in memory on every node with its model's labels, 20 KB or so. */
  unfinished: 1_000,
  /** Result rows deleted by one `prune-results`: a few milliseconds of apply. */
  prunedRows: 500,
} as const;

/** Takes a job in. It begins at the running minimum, so it neither waits nor makes the others wait. */
export function submitJob(
  rows: Rows,
  command: SubmitJob,
  stamp: Stamp,
  pins: { readonly model: ModelPin; readonly manifest: Pin },
): Outcome {
  const wrong = checkLimits(command) ?? checkRows(pins.model, command) ?? checkRoom(rows);
  if (wrong !== undefined) return wrong;
  const id = JobId(`j${stamp.index}`);
  const { priority = 0 } = command;
  const fixed: JobFixed = {
    id,
    name: command.name,
    submittedAt: stamp.now,
    model: pins.model,
    manifest: pins.manifest,
    catalogIndex: command.catalogIndex,
    totalInputs: command.totalInputs,
    maxErrors: command.maxErrors,
    retryOf: command.retryOf,
  };
  jobs.put(rows, id, fixed);
  writeProgress(rows, {
    ...fixed,
    status: { kind: "running" },
    startedAt: undefined,
    endedAt: undefined,
    batchSize: command.batchSize,
    weight: command.weight,
    cursor: 0,
    nextQuery: QueryNumber(0),
    openQueries: 0,
    progress: fairStart(rows, priority),
    doneInputs: 0,
    errorInputs: 0,
    doneQueries: 0,
    retries: 0,
    prunedQueries: 0,
    statistics: emptyStatistics,
    priority,
    servedAt: stamp.now,
  });
  return ok({ kind: "job", job: id });
}

/** Why a job cannot be retried; undefined when it can: it has ended. */
export function checkRetry(rows: Rows, id: JobId): Outcome | undefined {
  const job = readJob(rows, id);
  if (job === undefined) return noSuchJob(id);
  if (hasEnded(job.status)) return undefined;
  const why = `it is ${job.status.kind}: wait for its end, or cancel it first`;
  return refuse("CONFLICT", { what: `job ${id}`, why });
}

/** Changes what later queries of a job are cut and weighed by; those already carved stay as they are. */
export function setJob(rows: Rows, command: SetJob): Outcome {
  const job = readJob(rows, command.job);
  if (job === undefined) return noSuchJob(command.job);
  if (hasEnded(job.status)) return ended(job);
  const { batchSize = job.batchSize, weight = job.weight } = command;
  const before = job.priority ?? 0;
  const { priority = before } = command;
  const wrong = checkPace({ batchSize, weight, priority }) ?? checkRows(job.model, { batchSize });
  if (wrong !== undefined) return wrong;
  // Each class has a virtual time of its own: progress in one says nothing in another.
  const progress = priority === before ? job.progress : fairStart(rows, priority);
  writeProgress(rows, { ...job, batchSize, weight, priority, progress });
  return ok({ kind: "job", job: job.id });
}

/** Pause, resume, cancel. Steering to where the job already is changes nothing and is no error. */
export function steerJob(rows: Rows, command: SteerJob, stamp: Stamp): Outcome {
  const job = readJob(rows, command.job);
  if (job === undefined) return noSuchJob(command.job);
  if (hasEnded(job.status)) return ended(job);
  const answer = ok({ kind: "job", job: job.id });
  if (job.status.kind === command.to) return answer;
  switch (command.to) {
    case "paused":
      writeProgress(rows, { ...job, status: { kind: "paused" } });
      return answer;
    case "running":
      // Time spent paused is no credit: else the job would have all slots until it had caught up.
      writeProgress(rows, {
        ...job,
        status: { kind: "running" },
        progress: Math.max(job.progress, fairStart(rows, job.priority ?? 0)),
        servedAt: stamp.now,
      });
      return answer;
    case "cancelled":
      dropOpenQueries(rows, job.id);
      writeProgress(rows, {
        ...job,
        status: { kind: "cancelled" },
        endedAt: stamp.now,
        openQueries: 0,
      });
      return answer;
  }
}

/** Why a job cannot be finished now; undefined when it can: every input covered, no query open, and not ended yet. */
export function checkFinish(rows: Rows, id: JobId): Outcome | undefined {
  const job = readJob(rows, id);
  if (job === undefined) return noSuchJob(id);
  if (hasEnded(job.status)) return ended(job);
  if (job.cursor < job.totalInputs || job.openQueries > 0)
    return refuse("CONFLICT", {
      what: `job ${id}`,
      why: `${job.totalInputs - job.doneInputs} of its inputs have no result yet`,
    });
  return undefined;
}

/** Ends a job that {@link checkFinish} let through. */
export function finishJob(rows: Rows, id: JobId, file: Pin, stamp: Stamp): Outcome {
  const job = readJob(rows, id);
  if (job === undefined) return noSuchJob(id); // unreachable: checkFinish found it
  writeProgress(rows, { ...job, status: { kind: "done", results: file }, endedAt: stamp.now });
  return ok({ kind: "job", job: id });
}

/** Deletes the next result rows of an ended job; nothing is left of them when `prunedQueries` equals `nextQuery`. */
export function pruneResults(rows: Rows, command: PruneResults): Outcome {
  const job = readJob(rows, command.job);
  if (job === undefined) return noSuchJob(command.job);
  if (!hasEnded(job.status))
    return refuse("CONFLICT", { what: `job ${job.id}`, why: "it has not ended yet" });
  const end = Math.min(job.nextQuery, job.prunedQueries + jobLimits.prunedRows);
  if (end === job.prunedQueries) return done;
  for (let query = job.prunedQueries; query < end; query += 1)
    results.delete(rows, queryId(job.id, QueryNumber(query)));
  writeProgress(rows, { ...job, prunedQueries: end });
  return done;
}

function checkLimits(command: SubmitJob): Outcome | undefined {
  const { name, totalInputs, maxErrors } = command;
  if (name.length === 0 || name.length > jobLimits.name)
    return invalid("the job's name", `it has ${name.length} characters`, `1 to ${jobLimits.name}`);
  if (!isWithin(totalInputs, 1, jobLimits.inputs))
    return invalid("the job's inputs", `there are ${totalInputs}`, `1 to ${jobLimits.inputs}`);
  if (maxErrors !== undefined && !isWithin(maxErrors, 0, Number.MAX_SAFE_INTEGER))
    return invalid("maxErrors", `it is ${maxErrors}`, "a whole number of at least 0");
  return checkPace(command);
}

function checkPace(pace: {
  readonly batchSize: number;
  readonly weight: number;
  readonly priority?: number | undefined;
}): Outcome | undefined {
  const { batchSize, weight, priority = 0 } = pace;
  const { least, most } = jobLimits.weight;
  if (!isWithin(batchSize, 1, jobLimits.batchSize))
    return invalid("the batch size", `it is ${batchSize}`, `1 to ${jobLimits.batchSize}`);
  if (!(weight >= least && weight <= most))
    return invalid("the weight", `it is ${weight}`, `${least} to ${most}`);
  if (!isWithin(priority, priorities.least, priorities.most))
    return invalid(
      "the priority",
      `it is ${priority}`,
      `a whole number, ${priorities.least} to ${priorities.most}`,
    );
  return undefined;
}

/** What a query gives must keep to its limit: so may its inputs, where each gives much. */
function checkRows(
  { manifest: { outputs } }: ModelPin,
  { batchSize }: { readonly batchSize: number },
): Outcome | undefined {
  if (outputs === undefined || batchSize <= rowsPerQuery(outputs)) return undefined;
  const why = `it is ${batchSize}, and each input of this model gives ${bytesOfRow(outputs)} bytes`;
  return invalid("the batch size", why, `1 to ${rowsPerQuery(outputs)}`);
}

function checkRoom(rows: Rows): Outcome | undefined {
  const unfinished = progresses.list(rows).filter(([, { status }]) => !hasEnded(status)).length;
  return unfinished < jobLimits.unfinished
    ? undefined
    : refuse("BUSY", { what: "the list of unfinished jobs", limit: jobLimits.unfinished });
}

function isWithin(n: number, least: number, most: number): boolean {
  return Number.isInteger(n) && n >= least && n <= most;
}

function invalid(what: string, why: string, allowed: string): Outcome {
  return refuse("INVALID", { what, why, remedy: `give ${allowed}` });
}

function noSuchJob(id: JobId): Outcome {
  return refuse("NOT_FOUND", { kind: "job", name: id, remedy: "'idunno job ls' lists them" });
}

function ended(job: JobRecord): Outcome {
  const why = `it has ended (${job.status.kind}): 'idunno job retry ${job.id}' runs what it left undone, as a new job`;
  return refuse("CONFLICT", { what: `job ${job.id}`, why });
}
