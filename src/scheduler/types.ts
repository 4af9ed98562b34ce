/**
 * Jobs and queries as they stand in the replicated state, and the commands that change them (design: one
 * command, one decision). Everything here is data: equal on every replica, in a fixed field order.
 */
import type { ChunkRef, FileUpload, Pin, UploadedChunk, UploadedContent } from "../lib/content.ts";
import type { Histogram } from "../lib/histogram.ts";
import type { ModelManifest } from "../lib/model-manifest.ts";
import type { Attempt, FileVersion, JobId, LogTime, NodeId, QueryNumber } from "../lib/types.ts";

export type { ChunkRef, FileUpload, Pin, UploadedChunk, UploadedContent };

/** The model a job was submitted with; later changes of the model's name do not matter to it. */
export interface ModelPin {
  readonly name: string;
  readonly version: number;
  readonly manifest: ModelManifest;
  readonly file: Pin;
}

export type JobStatus =
  | { readonly kind: "running" }
  | { readonly kind: "paused" }
  | { readonly kind: "done"; readonly results: Pin }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "cancelled" };

/** Query processing times of a job. Milliseconds of worker time; integers, so that sums are exact. */
export interface JobStatistics {
  readonly count: number;
  readonly sumMs: number;
  readonly sumSquaredMs: number;
  /** Log-bucket histogram of milliseconds: sparse, [bucket, count] ascending by bucket (lib/histogram.ts). */
  readonly histogram: Histogram;
  /** What was committed in each of the last 11 seconds of log time, ascending by second. */
  readonly recent: readonly (readonly [second: number, queries: number, inputs: number])[];
}

/** `job/<id>` Hot. What a submission fixes: large (labels, chunk lists) and written once. */
export interface JobFixed {
  readonly id: JobId;
  readonly name: string;
  readonly submittedAt: LogTime;
  readonly model: ModelPin;
  /** The list of inputs, fixed at submission (scheduler/manifest.ts). */
  readonly manifest: Pin;
  /** Catalog index at which the inputs were resolved; collection must not pass it while the job runs. */
  readonly catalogIndex: number;
  readonly totalInputs: number;
  /** The job fails when more inputs than this ended in an error record; undefined: never. */
  readonly maxErrors: number | undefined;
  /** The ended job whose failed and missing inputs these are. */
  readonly retryOf?: JobId | undefined;
}

/** `progress/<id>` Hot. What changes while a job runs: small, since every `work` command writes it. */
export interface JobProgress {
  readonly status: JobStatus;
  /** When its first query was handed out, and when it ended. */
  readonly startedAt: LogTime | undefined;
  readonly endedAt: LogTime | undefined;
  /** Inputs per query, for queries carved from now on. The scheduler never changes it. */
  readonly batchSize: number;
  readonly weight: number;
  /** The next input that no query covers yet. */
  readonly cursor: number;
  readonly nextQuery: QueryNumber;
  /** Queries carved and not yet completed. */
  readonly openQueries: number;
  /** Virtual progress of fair time: grows by 1 / weight per query carved; starts at the running minimum. */
  readonly progress: number;
  /** Inputs of committed queries, those that ended in an error record included. */
  readonly doneInputs: number;
  readonly errorInputs: number;
  readonly doneQueries: number;
  /** Attempts at queries whose earlier one was lost or gave up, and at their halves. */
  readonly retries: number;
  /** Result rows of queries below this number have been pruned (after the job ended). */
  readonly prunedQueries: number;
  readonly statistics: JobStatistics;
  /** Its class: a higher one is served first. Absent from rows of before there were classes: 0. */
  readonly priority?: number | undefined;
  /** When it last got a query or came back from a pause: from then on it ages (scheduler/classes.ts). */
  readonly servedAt?: LogTime | undefined;
  /** How often its queries, and halves of them, ended an executor (scheduler/failure.ts). Absent: never. */
  readonly failures?: number | undefined;
  /** Attempts at late queries while another went on (F7). Absent: none. */
  readonly speculativeAttempts?: number | undefined;
}

/** A job as everybody reads it: both of its rows in one. */
export interface JobRecord extends JobFixed, JobProgress {}

/** `query/<job>/<query, 10 digits>` Hot. A query that has been carved and not completed. Inputs [from, from + count) of the job's manifest. */
export interface QueryRecord {
  readonly job: JobId;
  readonly query: QueryNumber;
  readonly from: number;
  readonly count: number;
  /** Highest attempt number given out so far. */
  readonly lastAttempt: Attempt;
  /** The attempts that somebody still works on; empty when its nodes went down: to be handed out again. */
  readonly attempts: readonly QueryAttempt[];
  /** It is half of a query that ended an executor: whoever runs it runs it alone. */
  readonly suspect?: true;
  /** Nodes on which its one input, alone in a fresh executor, ended that; one twice if it did so twice. */
  readonly blamed?: readonly NodeId[];
}

export interface QueryAttempt {
  readonly attempt: Attempt;
  readonly node: NodeId;
  /** The boot of the node it was handed to: another boot has forgotten it. */
  readonly boot: string;
  readonly at: LogTime;
}

/** `result/<job>/<query, 10 digits>` A committed query's outputs: kept until the job's results file is written. */
export interface ResultRow {
  readonly from: number;
  readonly count: number;
  /** One per input, in input order (packed by scheduler/results.ts). */
  readonly outputs: readonly PackedOutput[];
  /** The query was split: the results are those of these two, of its first inputs and of the others. */
  readonly into?: readonly [QueryNumber, QueryNumber];
}

/**
 * One input's outcome, compact: the top classes as [class, millionths, class, millionths, …], or an error code. Of a model that
 * gives arrays [] is the next row of the query's file.
 */
export type PackedOutput = readonly number[] | string;

// --- commands -------------------------------------------------------------------------------------------------------

export interface SubmitJob {
  readonly kind: "submit-job";
  readonly name: string;
  readonly model: string;
  readonly manifest: { readonly path: string; readonly version: FileVersion };
  readonly catalogIndex: number;
  readonly totalInputs: number;
  readonly batchSize: number;
  readonly weight: number;
  readonly maxErrors: number | undefined;
  /** undefined: 0. */
  readonly priority?: number | undefined;
  /** The inputs are those of this job that failed or were never done. It must have ended. */
  readonly retryOf?: JobId | undefined;
  /** undefined: the newest. With {@link retryOf} also that of its job, when the name has it no more. */
  readonly modelVersion?: number | undefined;
}

export interface SetJob {
  readonly kind: "set-job";
  readonly job: JobId;
  readonly batchSize: number | undefined;
  readonly weight: number | undefined;
  readonly priority?: number | undefined;
}

/** Pause, resume and cancel. */
export interface SteerJob {
  readonly kind: "steer-job";
  readonly job: JobId;
  readonly to: "running" | "paused" | "cancelled";
}

/** One proposal carries many decisions: completions first, then assignments. */
export interface Work {
  readonly kind: "work";
  readonly complete: readonly Completion[];
  readonly assign: readonly Assign[];
}

/** Hands a query to a node: the next range of the job (`query` undefined), or a further attempt of an open query. */
export interface Assign {
  readonly job: JobId;
  readonly node: NodeId;
  readonly boot: string;
  readonly query: QueryNumber | undefined;
}

export interface Completion {
  readonly job: JobId;
  readonly query: QueryNumber;
  readonly attempt: Attempt;
  readonly node: NodeId;
  /** Slot time: what its micro-batches took, without those of other jobs that took turns with it; whole milliseconds. */
  readonly elapsedMs: number;
  /** One per input; none of a query that failed. */
  readonly outputs: readonly PackedOutput[];
  /** There is no result, for the query did this to the executor. */
  readonly failed?: QueryFailure | undefined;
  /** From the start of its first micro-batch to the end of its last, where queries of other jobs took turns with it. */
  readonly spanMs?: number | undefined;
  /** Of a model that gives arrays: the `.npz` file with the rows of those inputs that have one. Becomes visible with the result. */
  readonly tensors?: UploadedContent | undefined;
}

/**
 * What a query did to the executor that ran it: `killed` it, or `hung` until it was killed for that. Said of one input
 * only when it did so in a process of its own.
 */
export type QueryFailure = "killed" | "hung";

/** Makes the results file visible and the job done, in one step. */
export interface FinishJob {
  readonly kind: "finish-job";
  readonly job: JobId;
  readonly results: FileUpload;
}

/** Deletes at most 500 result rows of a job that has ended. */
export interface PruneResults {
  readonly kind: "prune-results";
  readonly job: JobId;
}
