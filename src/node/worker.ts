/**
 * This node's half of inference: takes queries, makes their model and inputs local, has the executor run them, and
 * hands the results to whoever leads until one leader has committed them. It never needs a leader to go on working.
 *
 * Invariants
 *  W1 a (job, query, attempt) is run at most once per boot, however often it is pushed;
 *  W2 finished results are kept until a leader acknowledged them, or their job has ended;
 *  W3 results depend on the input, the model and its manifest only: errors come from a fixed table.
 */
import { chunkBytes } from "../lib/content.ts";
import { asIDunnoError, hasCode, IDunnoError } from "../lib/errors.ts";
import type { AssignedQuery } from "../lib/outcome.ts";
import type { Runtime } from "../lib/runtime.ts";
import { assert, Attempt, JobId, type NodeId, QueryNumber } from "../lib/types.ts";
import type { InputFile, InputOutput, LocalModel, QueryResult } from "../inference/types.ts";
import type { Machine } from "../machine/machine.ts";
import type { ManifestInput } from "../scheduler/manifest.ts";
import { hasEnded } from "../scheduler/rows.ts";
import type { Completion, JobRecord, PackedOutput } from "../scheduler/types.ts";
import type { Applier } from "./applier.ts";
import type { ChunkService } from "./chunk-service.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Inputs } from "./inputs.ts";
import type { Logger } from "./log.ts";
import type { Inference, LocalModels } from "./ports.ts";
import { Quarantine } from "./quarantine.ts";

/** Queries in hand: the scheduler gives a slot 64 at most; a machine may have 128 slots. */
const queriesInHand = 64 * 128;
/** Queries per slot whose inputs are made local ahead of their turn. */
const preparedPerSlot = 4;
/** A query that ended the executor alone, or ran out of time, this often is given up: its inputs become errors (P4). */
const executorTries = 3;
/** Pause before trying again what could not be done now, such as fetching from a dead replica, in ms; it doubles. */
const retryPauseMs = 100;
const retryPauseMaxMs = 5_000;
/** The shortest time-out of a query in the executor, in ms, and what each input adds: no network here needs a tenth. */
const leastTimeoutMs = 30_000;
const timeoutPerInputMs = 10_000;

interface Outputs {
  readonly outputs: readonly PackedOutput[];
  readonly elapsedMs: number;
}

export interface WorkerPorts {
  readonly self: NodeId;
  readonly boot: string;
  readonly machine: Machine;
  readonly applier: Applier;
  readonly executor: Inference;
  readonly models: LocalModels;
  readonly inputs: Inputs;
  readonly chunks: ChunkService;
  /** Takes a finished query over; see {@link Results}. */
  readonly finished: (completion: Completion) => void;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Worker {
  readonly #ports: WorkerPorts;
  readonly #closing = sharedAbort();
  readonly #inHand = new Map<string, AssignedQuery>();
  readonly #queue: AssignedQuery[] = [];
  readonly #quarantine = new Quarantine();
  #preparing = 0;

  constructor(ports: WorkerPorts) {
    this.#ports = ports;
  }

  /** Takes queries pushed by a leader; what is known already, or meant for another boot, is dropped. */
  assign(queries: readonly AssignedQuery[]): void {
    for (const query of queries) {
      const id = idOf(query);
      if (query.boot !== this.#ports.boot || this.#inHand.has(id)) continue;
      if (this.#inHand.size >= queriesInHand)
        throw new IDunnoError("BUSY", { what: "the worker's queue", limit: queriesInHand });
      this.#inHand.set(id, query);
      this.#queue.push(query);
    }
    this.#pump();
  }

  /** A result was committed, or is not wanted any more: forget the query. */
  forget(query: Pick<AssignedQuery, "job" | "query" | "attempt">): void {
    this.#inHand.delete(idOf(query));
  }

  /** The state moved on: the queries of jobs that have ended stop after their micro-batch. */
  onApplied(): void {
    for (const [id, { job }] of this.#inHand)
      if (this.#hasEnded(job)) this.#ports.executor.cancel(id);
  }

  #pump(): void {
    const { executor } = this.#ports;
    while (this.#preparing < executor.slots * preparedPerSlot && !this.#closing.signal.aborted) {
      const query = this.#queue.shift();
      if (query === undefined) return;
      this.#preparing += 1;
      void this.#process(query).finally(() => {
        this.#preparing -= 1;
        this.#pump();
      });
    }
  }

  async #process(query: AssignedQuery): Promise<void> {
    const { log, finished, self } = this.#ports;
    const { signal } = this.#closing;
    try {
      const job = await this.#jobOf(query, signal);
      const result = job === undefined ? undefined : await this.#run(query, job, signal);
      if (result === undefined) {
        this.forget(query);
        return;
      }
      const { outputs, elapsedMs } = result;
      finished({
        job: JobId(query.job),
        query: QueryNumber(query.query),
        attempt: Attempt(query.attempt),
        node: self,
        elapsedMs,
        outputs,
      });
    } catch (error) {
      // Only closing ends a query without a result: then the next boot registers and the leader hands it out again.
      if (!signal.aborted) log.error("query-lost", { id: idOf(query), error: String(error) });
    }
  }

  /** The job as this node's state knows it, once it does; undefined when it does not run any more. */
  async #jobOf(query: AssignedQuery, signal: AbortSignal): Promise<JobRecord | undefined> {
    for (;;) {
      const seen = this.#ports.applier.appliedIndex;
      const job = this.#ports.machine.jobs.get(JobId(query.job));
      if (job !== undefined) return this.#hasEnded(query.job) ? undefined : job;
      signal.throwIfAborted();
      // The push overtook the log entry that submitted the job.
      await this.#ports.applier.changed(seen, signal);
    }
  }

  #hasEnded(job: string): boolean {
    const status = this.#ports.machine.jobs.get(JobId(job))?.status;
    return status !== undefined && hasEnded(status);
  }

  /**
   * Runs until there is a result, or the job has ended (undefined): fetches again what was damaged, gives up on what
   * ends executors, and tries again, ever more slowly, whatever else may be wrong.
   */
  async #run(
    query: AssignedQuery,
    job: JobRecord,
    signal: AbortSignal,
  ): Promise<Outputs | undefined> {
    let executorFailures = 0;
    let suspected = false;
    for (let pauseMs = retryPauseMs; ; pauseMs = Math.min(pauseMs * 2, retryPauseMaxMs)) {
      try {
        const attempt = async (): Promise<Outputs> => this.#attempt(query, job, signal);
        return await (suspected
          ? this.#quarantine.alone(attempt)
          : this.#quarantine.shared(attempt));
      } catch (error) {
        signal.throwIfAborted();
        if (this.#hasEnded(query.job)) return undefined;
        const { code, message } = asIDunnoError(error);
        if (hasCode(error, "EXECUTOR_FAILED") && error.details.during !== "start") {
          const { during } = error.details;
          // A crash beside others may have been theirs: only what it does alone counts against it.
          if (during === "timeout" || suspected) executorFailures += 1;
          suspected = true;
          this.#ports.log.warn("executor-failed", { id: idOf(query), executorFailures, message });
          if (executorFailures >= executorTries) return givenUp(query, during);
          continue;
        }
        this.#ports.log.warn("query-delayed", { id: idOf(query), code, message });
        await pause(this.#ports.runtime, pauseMs, signal);
      }
    }
  }

  async #attempt(query: AssignedQuery, job: JobRecord, signal: AbortSignal): Promise<Outputs> {
    const { inputs, models } = this.#ports;
    const list = await inputs.range(job.manifest, query, signal);
    const model = await models.ready(job.model, signal);
    const { chunks } = this.#ports;
    const unreadable = list.map(({ tooLarge, chunks: parts }) =>
      tooLarge ? "too_large" : parts.some((hash) => chunks.isLost(hash)) ? "missing" : undefined,
    );
    const readable = list.filter((_, i) => unreadable[i] === undefined);
    using leases = new Leases();
    const files = await Promise.all(
      readable.map(async (input) => this.#makeLocal(input, leases, signal)),
    );
    const { outputs, elapsedMs } = await this.#infer(query, { model, files }, signal);
    let next = 0;
    return {
      elapsedMs,
      outputs: unreadable.map((code) => {
        if (code !== undefined) return code;
        const output = outputs[next];
        next += 1;
        assert(output !== undefined, "the executor answers for every input");
        return packOutput(output);
      }),
    };
  }

  async #infer(
    query: AssignedQuery,
    work: { readonly model: LocalModel; readonly files: readonly InputFile[] },
    signal: AbortSignal,
  ): Promise<{ readonly outputs: readonly InputOutput[]; readonly elapsedMs: number }> {
    if (work.files.length === 0) return { outputs: [], elapsedMs: 0 };
    const result: QueryResult = await this.#ports.executor.run(
      {
        id: idOf(query),
        model: work.model,
        inputs: work.files,
        timeoutMs: leastTimeoutMs + timeoutPerInputMs * work.files.length,
        // A job begins at once, however long the queries of others are.
        express: query.query === 0,
      },
      { signal },
    );
    if (result.kind === "done")
      return { outputs: result.outputs, elapsedMs: Math.round(result.timings.totalMs) };
    await this.#ports.chunks.discard(result.hash);
    throw new IDunnoError("CHUNK_UNAVAILABLE", { hash: result.hash, tried: [this.#ports.self] });
  }

  async #makeLocal(input: ManifestInput, leases: Leases, signal: AbortSignal): Promise<InputFile> {
    const parts = await Promise.all(
      input.chunks.map(async (hash, i) => {
        const lease = await this.#ports.chunks.acquire(hash, signal);
        leases.add(lease);
        return { hash, path: lease.path, bytes: partBytes(input, i) };
      }),
    );
    return { parts, bytes: input.bytes };
  }

  close(): void {
    this.#closing.abort(new IDunnoError("CLOSED", { what: "the worker" }));
  }
}

/** All chunks but the last of a file have the full size. */
function partBytes(input: ManifestInput, i: number): number {
  const last = input.chunks.length - 1;
  return i < last ? chunkBytes : input.bytes - chunkBytes * last;
}

/** Chunk leases of one attempt, let go together. */
class Leases implements Disposable {
  readonly #held: { readonly release: () => void }[] = [];

  add(lease: { readonly release: () => void }): void {
    this.#held.push(lease);
  }

  [Symbol.dispose](): void {
    for (const lease of this.#held.splice(0)) lease.release();
  }
}

function idOf({ job, query, attempt }: Pick<AssignedQuery, "job" | "query" | "attempt">): string {
  return `${job}/${query}/${attempt}`;
}

function packOutput(output: InputOutput): PackedOutput {
  return output.kind === "error" ? output.code : output.top.flat();
}

function givenUp(query: AssignedQuery, during: "query" | "timeout"): Outputs {
  const code = during === "timeout" ? "timed_out" : "killed_executor";
  return { outputs: Array.from({ length: query.count }, () => code), elapsedMs: 0 };
}
