/** Replicas that persist as a node does, and the smallest commands that make sense. */
import { pack, unpack } from "../../src/lib/msgpack.ts";
import type { ImageClassifier, ModelManifest } from "../../src/lib/model-manifest.ts";
import { asTheyAre } from "../lib/manifests.ts";
import type { UploadedChunk, UploadedContent } from "../../src/lib/content.ts";
import {
  Attempt,
  ChunkHash,
  FileVersion,
  JobId,
  LogTime,
  NodeId,
  QueryNumber,
  StoreId,
} from "../../src/lib/types.ts";
import type { Command, Operation, RegisterMember } from "../../src/machine/commands.ts";
import { type Applied, type ColdTables, Machine } from "../../src/machine/machine.ts";
import type { Assign, Completion, PackedOutput, SubmitJob } from "../../src/scheduler/types.ts";

/** A machine over rows that went through MessagePack, as LevelDB holds them. */
export class Replica {
  readonly rows: Map<string, Uint8Array>;
  readonly machine: Machine;
  index: number;
  at: number;

  constructor(rows = new Map<string, Uint8Array>(), index = 0, at = 0) {
    this.rows = rows;
    this.index = index;
    this.at = at;
    const cold: ColdTables = { get: (key) => this.row(key) };
    this.machine = new Machine({ cold });
    // Sorted as LevelDB would list them, then backwards: the order must not matter.
    for (const key of [...rows.keys()].toSorted().toReversed())
      if (Machine.isHot(key)) this.machine.loadRow(key, this.row(key));
  }

  row(key: string): unknown {
    const bytes = this.rows.get(key);
    return bytes === undefined ? undefined : unpack(bytes, key);
  }

  /** Puts a row as another version may have written it. */
  put(key: string, row: unknown): void {
    this.rows.set(key, pack(row));
  }

  applyCommand(command: Command): Applied {
    this.index += 1;
    const applied = this.machine.apply(command, this.index);
    for (const { key, value } of applied.mutations) {
      if (value === undefined) this.rows.delete(key);
      else this.rows.set(key, pack(deepFreeze(value)));
    }
    return applied;
  }

  apply(operation: Operation, key?: string): Applied {
    this.at += 1;
    return this.applyCommand({ v: 1, at: LogTime(this.at), key, operation });
  }

  /** Applies what must succeed. */
  must(operation: Operation): Applied {
    const applied = this.apply(operation);
    if (applied.outcome.kind === "refused")
      throw new Error(`${operation.kind}: ${JSON.stringify(applied.outcome)}`);
    return applied;
  }

  /** What a restart makes of it. */
  restarted(): Replica {
    return new Replica(new Map(this.rows), this.index, this.at);
  }

  *table(name: string): Generator<readonly [key: string, value: unknown]> {
    for (const key of [...this.rows.keys()].toSorted())
      if (key.startsWith(`${name}/`)) yield [key, this.row(key)];
  }
}

/** Rows are shared between mutations and memory: whoever changes one in place must be caught. */
export function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  for (const field of Object.values(value)) deepFreeze(field);
  return Object.freeze(value);
}

export const hashOf = (n: number): ChunkHash => ChunkHash(n.toString(16).padStart(64, "0"));

export const nodeName = (n: number): NodeId => NodeId(`n${n}`);

export function register(n: number, more: Partial<RegisterMember> = {}): RegisterMember {
  return {
    kind: "register-member",
    node: nodeName(n),
    incarnation: `inc${n}`,
    boot: `boot${n}`,
    store: StoreId(`store${n}`),
    peerAddress: `10.0.0.${n}:7000`,
    httpAddress: `10.0.0.${n}:8000`,
    slots: 2,
    labels: [["rack", `r${n}`]],
    ...more,
  };
}

export function chunk(n: number, stores: readonly number[], index = 0, bytes = 10): UploadedChunk {
  const replicas = stores.map((store) => ({ store: `store${store}`, index }));
  return { hash: hashOf(n), bytes, replicas };
}

export function upload(
  path: string,
  chunks: readonly UploadedChunk[],
  ifVersion?: number,
): Extract<Operation, { kind: "commit-files" }> {
  const bytes = chunks.reduce((sum, c) => sum + c.bytes, 0);
  return { kind: "commit-files", files: [{ path, bytes, chunks, ifVersion }] };
}

export const manifest: ImageClassifier = {
  format: 1,
  name: "tiny",
  sha256: "ab".repeat(32),
  input: { name: "in", layout: "nchw", height: 8, width: 8 },
  output: { name: "out", classes: 5, activation: "softmax" },
  preprocessing: asTheyAre,
  labels: ["a", "b", "c", "d", "e"],
  topK: 2,
  source: "made up",
};

/** The same network, whose answer is kept as arrays: 40 bytes for each input. */
export const arrayManifest: ModelManifest = {
  format: 1,
  name: "arrays",
  sha256: manifest.sha256,
  input: manifest.input,
  preprocessing: manifest.preprocessing,
  labels: [],
  source: "made up",
  outputs: [{ name: "out", type: "float32", shape: [2, 5] }],
};

/** A cluster of `nodes` nodes with a model and an input list, ready for jobs. */
export function cluster(nodes = 3): Replica {
  const replica = new Replica();
  const all = Array.from({ length: nodes }, (_, i) => i + 1);
  for (const n of all) replica.must(register(n));
  replica.must(upload("models/tiny.onnx", [chunk(1, all)]));
  replica.must(upload("inputs", [chunk(2, all)]));
  replica.must({
    kind: "add-model",
    manifest,
    file: { path: "models/tiny.onnx", version: FileVersion(1) },
  });
  return replica;
}

export function submission(more: Partial<SubmitJob> = {}): SubmitJob {
  return {
    kind: "submit-job",
    name: "job",
    model: "tiny",
    manifest: { path: "inputs", version: FileVersion(1) },
    catalogIndex: 0,
    totalInputs: 10,
    batchSize: 4,
    weight: 1,
    maxErrors: undefined,
    ...more,
  };
}

/** Submits and returns the id. */
export function submit(replica: Replica, more: Partial<SubmitJob> = {}): JobId {
  replica.must(submission(more));
  return JobId(`j${replica.index}`);
}

export function assign(job: JobId, n: number, query?: number): Assign {
  const number = query === undefined ? undefined : QueryNumber(query);
  return { job, node: nodeName(n), boot: `boot${n}`, query: number };
}

export function completion(
  job: JobId,
  query: number,
  outputs: readonly PackedOutput[],
  more: {
    readonly attempt?: number;
    readonly node?: number;
    readonly elapsedMs?: number;
    readonly tensors?: UploadedContent;
  } = {},
): Completion {
  return {
    job,
    query: QueryNumber(query),
    attempt: Attempt(more.attempt ?? 1),
    node: nodeName(more.node ?? 1),
    elapsedMs: more.elapsedMs ?? 20,
    outputs,
    ...(more.tensors === undefined ? {} : { tensors: more.tensors }),
  };
}

export const work = (
  complete: readonly Completion[],
  assigns: readonly Assign[],
): Extract<Operation, { kind: "work" }> => ({ kind: "work", complete, assign: assigns });

export const outputs = (count: number, of: PackedOutput = [1, 900_000]): PackedOutput[] =>
  Array.from({ length: count }, () => of);
