/**
 * Inference as the simulation has it: an answer that follows from the model and the bytes of the input alone (the
 * oracle), after a time that does not. Executors die, hang and are slow, as inference/supervisor.ts would report it.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import type { Random } from "../../src/lib/random.ts";
import type {
  InputOutput,
  LocalModel,
  QueryRequest,
  QueryResult,
} from "../../src/inference/types.ts";
import type { Network } from "../../src/lib/network.ts";
import type { Inference } from "../../src/node/ports.ts";
import type { ChunkHash } from "../../src/lib/types.ts";
import type { PackedOutput } from "../../src/scheduler/types.ts";
import type { SimulatedProcess } from "./process.ts";

export interface ExecutorFaults {
  /** Chances in a thousand per query that is not alone in its process: nobody's fault, so to speak. */
  readonly dies: number;
  readonly hangs: number;
  readonly isLate: number;
}

/** A process starts in so many ms. */
const startMs = 300;

export const calmExecutor: ExecutorFaults = { dies: 0, hangs: 0, isLate: 0 };

/** What a model says of an input, from both their contents: a class and a score, or that the input is broken. */
export function oracle(modelSha256: string, chunks: readonly string[]): PackedOutput {
  const digits = chunks.join("");
  const input = Number.parseInt(digits.slice(0, 8) || "0", 16);
  const model = Number.parseInt(modelSha256.slice(0, 8), 16);
  const mixed = Math.imul(input ^ model, 0x9e3779b1) >>> 0;
  if (digits === "" || mixed % 17 === 0) return "unreadable";
  // The larger network cannot bear every input (simulate.ts).
  const isFragile = modelSha256.startsWith("b");
  if (isFragile && mixed % 7 === 3) return "killed_executor";
  if (isFragile && mixed % 23 === 5) return "timed_out";
  return [mixed % 10, mixed % 1_000_000];
}

interface Run {
  readonly request: QueryRequest;
  readonly resolve: (result: QueryResult) => void;
  readonly reject: (error: IDunnoError) => void;
  isOver: boolean;
  /** Nobody listens for its cancelling any more. */
  release: () => void;
}

export interface SimulatedExecutorPorts {
  readonly process: SimulatedProcess;
  readonly random: Random;
  readonly faults: () => ExecutorFaults;
  /** Whether a chunk's bytes, as they lie on this machine now, are what its name says. */
  readonly isWhole: (path: string, hash: ChunkHash) => boolean;
  /** Milliseconds that an input takes with this model on this machine. */
  readonly costMs: (model: LocalModel) => number;
}

export class SimulatedExecutor implements Inference {
  readonly slots: number;
  /** More than a simulation adds. */
  readonly loadedModels = 16;
  readonly pid = undefined;
  readonly #ports: SimulatedExecutorPorts;
  readonly #waiting: Run[] = [];
  readonly #running = new Set<Run>();
  /** Suspects, each in a process of its own. */
  readonly #alone = new Set<Run>();
  /** Until when a new executor is being started. */
  #readyAt = 0;

  constructor(slots: number, ports: SimulatedExecutorPorts) {
    this.slots = slots;
    this.#ports = ports;
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  async load(_model: LocalModel): Promise<{ readonly loadMs: number }> {
    await new Promise<void>((resolve) => this.#ports.process.later(20, resolve));
    return { loadMs: 20 };
  }

  isLoaded(): boolean {
    return true;
  }

  unload(): void {
    // Nothing is kept.
  }

  async validate(): Promise<void> {
    // Every model of the simulation will do.
  }

  async inspect(): Promise<Network> {
    return { inputs: [], outputs: [] };
  }

  async run(
    request: QueryRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<QueryResult> {
    if (signal?.aborted === true) throw closed(request.id);
    return new Promise((resolve, reject) => {
      const run: Run = { request, resolve, reject, isOver: false, release: () => undefined };
      if (request.express === true) this.#waiting.unshift(run);
      else this.#waiting.push(run);
      const abort = (): void => this.#end(run, closed(request.id));
      signal?.addEventListener("abort", abort, { once: true });
      run.release = () => signal?.removeEventListener("abort", abort);
      this.#pump();
    });
  }

  /** In a process of its own, which takes a moment to start. */
  async runAlone(
    request: QueryRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<QueryResult> {
    if (signal?.aborted === true) throw closed(request.id);
    return new Promise((resolve, reject) => {
      const run: Run = { request, resolve, reject, isOver: false, release: () => undefined };
      const abort = (): void => this.#end(run, closed(request.id));
      signal?.addEventListener("abort", abort, { once: true });
      run.release = () => signal?.removeEventListener("abort", abort);
      this.#alone.add(run);
      this.#ports.process.after(startMs, () => this.#beginAlone(run));
    });
  }

  #beginAlone(run: Run): void {
    if (run.isOver) return;
    const { process, costMs } = this.#ports;
    const { request } = run;
    const ms = costMs(request.model) * request.inputs.length;
    const end = worst(request);
    if (end === "hangs") process.after(request.timeoutMs, () => this.#end(run, failed("timeout")));
    else if (end === "dies") process.after(ms / 2, () => this.#end(run, failed("query")));
    else process.after(ms, () => this.#finish(run));
  }

  cancel(id: string): void {
    for (const run of [...this.#running, ...this.#alone, ...this.#waiting])
      if (run.request.id === id) this.#end(run, closed(id));
  }

  #pump(): void {
    const { process } = this.#ports;
    const now = process.now();
    if (now < this.#readyAt) return;
    while (this.#running.size < this.slots) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      if (!run.isOver) this.#begin(run);
    }
  }

  #begin(run: Run): void {
    const { process, random, faults, costMs } = this.#ports;
    const { request } = run;
    const { dies, hangs, isLate } = faults();
    this.#running.add(run);
    const usualMs = costMs(request.model) * request.inputs.length;
    const ms = (usualMs * random.between(80, 120)) / 100;
    const end = worst(request) ?? this.#chance({ dies, hangs });
    if (end === "hangs") process.after(request.timeoutMs, () => this.#die(run, "timeout"));
    else if (end === "dies") process.after(ms / 2, () => this.#die(run, "query"));
    else process.after(random.chance(isLate, 1_000) ? ms * 20 : ms, () => this.#finish(run));
  }

  #chance({ dies, hangs }: Omit<ExecutorFaults, "isLate">): "dies" | "hangs" | undefined {
    const { random } = this.#ports;
    if (random.chance(hangs, 1_000)) return "hangs";
    return random.chance(dies, 1_000) ? "dies" : undefined;
  }

  /** All that ran goes with the process that ran it; a new one takes a moment. */
  #die(run: Run, during: "query" | "timeout"): void {
    if (run.isOver) return;
    const { process } = this.#ports;
    this.#readyAt = process.now() + startMs;
    const others = [...this.#running];
    this.#end(run, failed(during));
    for (const other of others) if (other !== run) this.#end(other, failed("query"));
    process.after(startMs, () => this.#pump());
  }

  #finish(run: Run): void {
    if (run.isOver) return;
    const { model, inputs } = run.request;
    const parts = inputs.flatMap((input) => input.parts);
    const bad = parts.find(({ path, hash }) => !this.#ports.isWhole(path, hash));
    if (bad !== undefined) {
      this.#end(run, { kind: "damaged", hash: bad.hash, why: "its bytes" });
      return;
    }
    const outputs = inputs.map((input): InputOutput => {
      const output = oracle(
        model.sha256,
        input.parts.map(({ hash }) => hash),
      );
      if (typeof output === "string") return { kind: "error", code: "unreadable" };
      return { kind: "classes", top: [[output[0] ?? 0, output[1] ?? 0]] };
    });
    const totalMs = this.#ports.costMs(model) * inputs.length;
    const timings = { waitMs: 0, decodeMs: 0, inferMs: totalMs, totalMs };
    this.#end(run, { kind: "done", outputs, timings });
  }

  #end(run: Run, outcome: QueryResult | IDunnoError): void {
    if (run.isOver) return;
    run.isOver = true;
    run.release();
    this.#running.delete(run);
    this.#alone.delete(run);
    if (outcome instanceof IDunnoError) run.reject(outcome);
    else run.resolve(outcome);
    this.#pump();
  }
}

/** What the first input that the network cannot bear does to the executor. */
function worst({ model, inputs }: QueryRequest): "dies" | "hangs" | undefined {
  for (const { parts } of inputs) {
    const output = oracle(
      model.sha256,
      parts.map(({ hash }) => hash),
    );
    if (output === "killed_executor") return "dies";
    if (output === "timed_out") return "hangs";
  }
  return undefined;
}

function closed(id: string): IDunnoError {
  return new IDunnoError("CLOSED", { what: `query ${id}` });
}

function failed(during: "query" | "timeout"): IDunnoError {
  const why = during === "timeout" ? "a query took too long" : "its process died";
  return new IDunnoError("EXECUTOR_FAILED", { why, during });
}
