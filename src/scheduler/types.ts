/**
 * Jobs and queries as they stand in the replicated state, and the commands that change them (design: one
 * command, one decision). Everything here is data: equal on every replica, in a fixed field order.
 */
import type { ModelManifest } from "../lib/model-manifest.ts";
import type {
  Attempt,
  ChunkHash,
  FileVersion,
  JobId,
  LogTime,
  NodeId,
  QueryNumber,
} from "../lib/types.ts";

/** A piece of content by name and length. */
export interface ChunkRef {
  readonly hash: ChunkHash;
  readonly bytes: number;
}

/** Content fixed for ever: a path and version for people, the chunks for machines. A job pins its model and manifest so. */
export interface Pin {
  readonly path: string;
  readonly version: FileVersion;
  readonly bytes: number;
  readonly chunks: readonly ChunkRef[];
}

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
  readonly histogram: readonly (readonly [bucket: number, count: number])[];
  /** Queries committed in each of the last 11 seconds of log time: [second, count] ascending. */
  readonly recent: readonly (readonly [second: number, count: number])[];
}

export interface JobRecord {
  readonly id: JobId;
  readonly name: string;
  readonly status: JobStatus;
  readonly submittedAt: LogTime;
  /** When its first query was handed out, and when it ended. */
  readonly startedAt: LogTime | undefined;
  readonly endedAt: LogTime | undefined;
  readonly model: ModelPin;
  /** The list of inputs, fixed at submission (scheduler/manifest.ts). */
  readonly manifest: Pin;
  /** Catalog index at which the inputs were resolved; collection must not pass it while the job runs. */
  readonly catalogIndex: number;
  readonly totalInputs: number;
  /** Inputs per query, for queries carved from now on. The scheduler never changes it. */
  readonly batchSize: number;
  readonly weight: number;
  /** The job fails when more inputs than this ended in an error record; undefined: never. */
  readonly maxErrors: number | undefined;
  /** The next input that no query covers yet. */
  readonly cursor: number;
  readonly nextQuery: QueryNumber;
  /** Queries carved and not yet completed. */
  readonly openQueries: number;
  /** Virtual progress of fair time: grows by 1 / weight per query carved; starts at the running minimum. */
  readonly progress: number;
  readonly doneInputs: number;
  readonly errorInputs: number;
  readonly doneQueries: number;
  /** Attempts beyond the first of each query. */
  readonly retries: number;
  /** Result rows of queries below this number have been pruned (after the job ended). */
  readonly prunedQueries: number;
  readonly statistics: JobStatistics;
}

/** A query that has been carved and not completed. Inputs [from, from + count) of the job's manifest. */
export interface QueryRecord {
  readonly job: JobId;
  readonly query: QueryNumber;
  readonly from: number;
  readonly count: number;
  /** Highest attempt number given out so far. */
  readonly lastAttempt: Attempt;
  /** The attempts that somebody still works on; empty when its nodes went down: to be handed out again. */
  readonly attempts: readonly QueryAttempt[];
}

export interface QueryAttempt {
  readonly attempt: Attempt;
  readonly node: NodeId;
  /** The boot of the node it was handed to: another boot has forgotten it. */
  readonly boot: string;
  readonly at: LogTime;
}

/** A committed query's outputs: kept until the job's results file is written. */
export interface ResultRow {
  readonly from: number;
  readonly count: number;
  /** One per input, in input order (inference/types.ts, packed by scheduler/outputs.ts). */
  readonly outputs: readonly PackedOutput[];
}

/** One input's outcome, compact: the top classes as [class, millionths, class, millionths, …], or an error code. */
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
}

export interface SetJob {
  readonly kind: "set-job";
  readonly job: JobId;
  readonly batchSize: number | undefined;
  readonly weight: number | undefined;
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
  /** Worker time from the start of its first micro-batch to the end of its last, whole milliseconds. */
  readonly elapsedMs: number;
  readonly outputs: readonly PackedOutput[];
}

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

/** A file whose chunks are durable on their replicas, ready to become visible. */
export interface FileUpload {
  readonly path: string;
  readonly bytes: number;
  readonly chunks: readonly UploadedChunk[];
  /** Refused with CONFLICT unless the newest version is this (0: the file must not exist). */
  readonly ifVersion: number | undefined;
}

export interface UploadedChunk extends ChunkRef {
  /** Who acknowledged it durable, each at which applied catalog index. */
  readonly replicas: readonly { readonly store: string; readonly index: number }[];
}
