/**
 * What the daemon and the executor tell each other: which model, which files, what came out. An input's
 * outcome is part of a job's result bytes, so nothing in it may depend on the node, the time or the attempt.
 */
import type { ModelManifest } from "../lib/model-manifest.ts";
import type { ChunkHash } from "../lib/types.ts";

/** A model whose file is on this machine. */
export interface LocalModel {
  /** SHA-256 of the file, lower-case hex; checked against the bytes at each load. */
  readonly sha256: string;
  /** Absolute path of the `.onnx` file. */
  readonly path: string;
  readonly manifest: ModelManifest;
}

/** Where a chunk is on this machine: in a file, by its absolute path, or, if it is small, in memory. */
export type ChunkPlace = { readonly path: string } | { readonly content: Uint8Array };

interface NamedChunk {
  readonly hash: ChunkHash;
  readonly bytes: number;
}

/** A chunk on this machine's disk. */
export interface ChunkFile extends NamedChunk {
  /** Absolute path. */
  readonly path: string;
}

/** A chunk on this machine. */
export type LocalChunk = NamedChunk & ChunkPlace;

/** One image or array file: the concatenation of its parts. */
export interface InputFile {
  readonly parts: readonly LocalChunk[];
  /** Of the whole file. */
  readonly bytes: number;
}

/** Where the arrays go that a query gives: too large for a message. */
export interface TensorsTo {
  /** Absolute path of the `.npz` file, whose folder is there. */
  readonly path: string;
  /** For each input of the query, its number in the job. */
  readonly numbers: readonly number[];
}

/** A batch of inputs for one model: the unit that is assigned, timed and committed. */
export interface QueryRequest {
  /** Unique among the requests under way: job, query and attempt with slashes between. */
  readonly id: string;
  readonly model: LocalModel;
  readonly inputs: readonly InputFile[];
  /** Counted from when a thread starts it, not while it waits. */
  readonly timeoutMs: number;
  /**
   * May run at once on the spare thread when every slot is busy: the first query of a job. A slot of the busiest job
   * stands still until its first micro-batch is done. Default: no.
   */
  readonly express?: boolean;
  /** It is known to take less than 80 ms, so its answer may wait for others'. Default: no. */
  readonly brief?: boolean;
  /** Of its job beside others on this node. Default: 1. */
  readonly weight?: number;
  /** A must for a model that gives arrays; otherwise of no effect. */
  readonly tensorsTo?: TensorsTo | undefined;
}

/**
 * Why an input has no classes. A fixed table, since it is part of result bytes:
 * - `unreadable`: of a known image format, but broken, cut short or empty
 * - `unsupported`: not JPEG, PNG, WebP, GIF, TIFF or AVIF
 * - `too_large`: more bytes or pixels than the limits in image.ts
 * - `not_an_array`: not a `.npy` or `.npz` file, or a broken one
 * - `unsupported_array`: big-endian, column by column, records, encrypted, or of a type that no network takes
 * - `wrong_type`, `wrong_shape`: an array, but not as the manifest has it
 * - `missing_array`: a `.npz` file without an array of the name of one of the network's inputs
 * - `wrong_output`: the network answered with another size than its manifest says, or where classes are asked for with a value
 *   that is no finite number, or out of range
 * - `killed_executor`, `timed_out`: written by the scheduler, when the input alone did that; never by the executor
 */
export type InputErrorCode =
  | "unreadable"
  | "too_large"
  | "unsupported"
  | "not_an_array"
  | "unsupported_array"
  | "wrong_type"
  | "wrong_shape"
  | "missing_array"
  | "wrong_output"
  | "killed_executor"
  | "timed_out";

/** A class and its score, rounded to 6 decimals, as an integer of millionths. */
export type ClassScore = readonly [classIndex: number, scoreMicros: number];

export type InputOutput =
  | {
      readonly kind: "classes";
      /** The manifest's `topK` best, by score descending, ties by class index ascending. */
      readonly top: readonly ClassScore[];
    }
  /** The next row of the file that the query's arrays are in. */
  | { readonly kind: "row" }
  | { readonly kind: "error"; readonly code: InputErrorCode };

/** A `.npz` file with a query's arrays: one for each of the model's outputs, its rows being those inputs that have one. */
export interface WrittenTensors {
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
}

/** Where a query's time went. */
export interface QueryTimings {
  /** From `run()` until a thread started it. */
  readonly waitMs: number;
  /** The thread reading files, or idle for want of a decoded image; decoding that overlaps inference is not in it. */
  readonly decodeMs: number;
  /** Inside the network. */
  readonly inferMs: number;
  /** From the thread's start to its last result, without what it stood still for a newcomer: the slot time it cost. */
  readonly totalMs: number;
  /** From the first thread's start to the last result: longer than {@link totalMs} where queries of other jobs took turns with it. */
  readonly spanMs: number;
}

export type QueryResult =
  | {
      readonly kind: "done";
      /** One per input, in order. */
      readonly outputs: readonly InputOutput[];
      readonly timings: QueryTimings;
      /** Of a model that gives arrays, when at least one input has them. Whoever asked deletes the file. */
      readonly tensors?: WrittenTensors;
    }
  /** A part is missing or does not hash to its name: fetch it again, then ask again. */
  | { readonly kind: "damaged"; readonly hash: ChunkHash; readonly why: string };

/** A line for the daemon's log. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly [field: string]: unknown;
}
