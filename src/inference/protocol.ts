/**
 * The messages between the daemon and a thread of the executor. The child's main thread only routes them,
 * by slot. Paths cross rather than image bytes, but for small chunks that are on no disk here.
 */
import { type ModelIo, ioOf } from "../lib/model-io.ts";
import type { InputHints, Network } from "../lib/network.ts";
import type { ChunkHash } from "../lib/types.ts";
import type {
  InputFile,
  InputOutput,
  LocalModel,
  QueryTimings,
  TensorsTo,
  WrittenTensors,
} from "./types.ts";

/** What a thread must know of a model: the manifest without what is for people (labels can be a megabyte). */
export interface ModelPlan extends ModelIo {
  readonly name: string;
  /** The executor's number for this plan. */
  readonly key: number;
  readonly sha256: string;
  readonly path: string;
}

/** A network of which nothing is known yet. */
export interface NetworkFile extends InputHints {
  /** For people. */
  readonly name: string;
  readonly sha256: string;
  readonly path: string;
}

/** @throws IDunnoError BAD_MODEL when the manifest contradicts itself */
export function planOf({ sha256, path, manifest }: LocalModel, key: number): ModelPlan {
  return { key, sha256, path, name: manifest.name, ...ioOf(manifest) };
}

/** Times the thread knows; what lies between queries is the daemon's to measure. */
export type ThreadTimings = Omit<QueryTimings, "waitMs" | "spanMs">;

export type ToThread =
  | { readonly kind: "load"; readonly plan: ModelPlan }
  | { readonly kind: "inspect"; readonly file: NetworkFile }
  | {
      readonly kind: "run";
      readonly id: string;
      readonly model: number;
      readonly inputs: readonly InputFile[];
      readonly tensorsTo?: TensorsTo | undefined;
      /** Somebody waits for its first micro-batch, which is told at once. Default: no. */
      readonly express?: boolean;
      /** Its result may wait for others on its way to the daemon. Default: no. */
      readonly brief?: boolean;
    }
  /** Stop after the micro-batch in hand. */
  | { readonly kind: "cancel"; readonly id: string }
  /** Give the query back if it has not begun; otherwise ignore this. */
  | { readonly kind: "recall"; readonly id: string }
  /** Stand still at the next micro-batch boundary, between queries too, until `resume` has the same `by`. */
  | { readonly kind: "yield"; readonly by: number }
  | { readonly kind: "resume"; readonly by: number }
  /** Nothing is under way: end. */
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "up" }
  | { readonly kind: "loaded"; readonly model: number }
  | { readonly kind: "refused"; readonly model: number; readonly why: string }
  | { readonly kind: "inspected"; readonly network: Network }
  | { readonly kind: "unusable"; readonly why: string }
  | { readonly kind: "progress"; readonly id: string; readonly inputsDone: number }
  | {
      readonly kind: "done";
      readonly id: string;
      readonly outputs: readonly InputOutput[];
      readonly timings: ThreadTimings;
      readonly tensors?: WrittenTensors;
    }
  | {
      readonly kind: "damaged";
      readonly id: string;
      readonly hash: ChunkHash;
      readonly why: string;
    }
  | { readonly kind: "failed"; readonly id: string; readonly why: string }
  /** Its arrays could not be kept: the machine's fault, not the query's. */
  | { readonly kind: "unwritten"; readonly id: string; readonly why: string }
  | { readonly kind: "cancelled"; readonly id: string }
  | { readonly kind: "recalled"; readonly id: string }
  /** The thread stands still, holding what it holds. */
  | { readonly kind: "yielded"; readonly by: number };

/** What concerns one query. */
export type QueryAnswer = Extract<FromThread, { readonly id: string }>;

/** Daemon to child. */
export interface Downward {
  readonly slot: number;
  readonly message: ToThread;
}

/** Child to daemon: several come in one message, in order. */
export interface Upward {
  readonly slot: number;
  readonly message: FromThread;
}
