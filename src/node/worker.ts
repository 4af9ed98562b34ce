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
import type { InputFile, InputOutput, LocalModel, QueryRequest } from "../inference/types.ts";
import type { Machine } from "../machine/machine.ts";
import type { ManifestInput } from "../scheduler/manifest.ts";
import { hasEnded } from "../scheduler/rows.ts";
import { queryTimeoutMs } from "../scheduler/timeouts.ts";
import type { Completion, JobRecord, PackedOutput, QueryFailure } from "../scheduler/types.ts";
import type { Applier } from "./applier.ts";
import type { ChunkService } from "./chunk-service.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Inputs } from "./inputs.ts";
import type { Logger } from "./log.ts";
import type { Inference, LocalModels } from "./ports.ts";

/** Queries in hand: the scheduler gives a slot 64 at most; a machine may have 128 slots. */
const queriesInHand = 64 * 128;
/** Queries per slot whose inputs are made local ahead of their turn. */
const preparedPerSlot = 4;
/** Pause before trying again what could not be done now, such as fetching from a dead replica, in ms; it doubles. */
const retryPauseMs = 100;
const retryPauseMaxMs = 5_000;

type QueryEnd = Pick<Completion, "outputs" | "elapsedMs" | "failed">;

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

  /** The state moved on: queries that nobody waits for any more stop after their micro-batch. */
  onApplied(): void {
    for (const [id, query] of this.#inHand)
      if (this.#isOver(query)) this.#ports.executor.cancel(id);
  }

  #pump(): void {
    const { executor } = this.#ports;
    while (this.#preparing < executor.slots * preparedPerSlot && !this.#closing.signal.aborted) {
      const query = this.#queue.shift();
      if (query === undefined) return;
      this.#preparing += 1;
      let hasPlace = true;
      const leave = (): void => {
        if (!hasPlace) return;
        hasPlace = false;
        this.#preparing -= 1;
        this.#pump();
      };
      void this.#process(query, leave).finally(leave);
    }
  }

  /** @param leave gives up its place among those that are prepared or run */
  async #process(query: AssignedQuery, leave: () => void): Promise<void> {
    const { log, finished, self } = this.#ports;
    const { signal } = this.#closing;
    try {
      const job = await this.#jobOf(query, signal);
      const result = job === undefined ? undefined : await this.#run(query, job, { leave, signal });
      if (result === undefined) {
        this.forget(query);
        return;
      }
      finished({
        job: JobId(query.job),
        query: QueryNumber(query.query),
        attempt: Attempt(query.attempt),
        node: self,
        ...result,
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
      if (job !== undefined) return this.#isOver(query) ? undefined : job;
      signal.throwIfAborted();
      // The push overtook the log entry that submitted the job.
      await this.#ports.applier.changed(seen, signal);
    }
  }

  /** Its job has ended, or another node's result came first, or it was split. What is not known yet is not over. */
  #isOver({ job: id, query }: AssignedQuery): boolean {
    const { machine } = this.#ports;
    const job = machine.jobs.get(JobId(id));
    if (job === undefined || query >= job.nextQuery) return false;
    return hasEnded(job.status) || !machine.isOpen(job.id, QueryNumber(query));
  }

  /**
   * Runs until there is a result, or nobody waits for one (undefined): fetches again what was damaged, reports what ends
   * executors, and tries again, ever more slowly, whatever else may be wrong.
   */
  async #run(
    query: AssignedQuery,
    job: JobRecord,
    { leave, signal }: { readonly leave: () => void; readonly signal: AbortSignal },
  ): Promise<QueryEnd | undefined> {
    let suspected = query.suspect === true;
    for (let pauseMs = retryPauseMs; ; pauseMs = Math.min(pauseMs * 2, retryPauseMaxMs)) {
      // Suspects wait for each other, and nobody else is to wait for them.
      if (suspected) leave();
      try {
        return await this.#attempt(query, job, { suspected, signal });
      } catch (error) {
        signal.throwIfAborted();
        if (this.#isOver(query)) return undefined;
        const failed = failureIn(error);
        if (failed !== undefined) {
          this.#noteFailure(query, error);
          // A crash beside others may have been theirs; who runs out of time is known, but the process may be to blame.
          if (suspected || (failed === "hung" && query.count > 1)) return failure(failed);
          suspected = true;
          continue;
        }
        const { code, message } = asIDunnoError(error);
        this.#ports.log.warn("query-delayed", { id: idOf(query), code, message });
        await pause(this.#ports.runtime, pauseMs, signal);
      }
    }
  }

  #noteFailure(query: AssignedQuery, error: unknown): void {
    const { message } = asIDunnoError(error);
    this.#ports.log.warn("executor-failed", { id: idOf(query), inputs: query.count, message });
  }

  async #attempt(
    query: AssignedQuery,
    job: JobRecord,
    { suspected, signal }: { readonly suspected: boolean; readonly signal: AbortSignal },
  ): Promise<QueryEnd> {
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
    const timeoutMs = queryTimeoutMs(this.#newest(job), files.length);
    const work = { model, files, timeoutMs, suspected };
    const { outputs, elapsedMs } = await this.#infer(query, work, signal);
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

  /** The job as it stands now: its time-out is learnt while it runs. */
  #newest(job: JobRecord): JobRecord {
    return this.#ports.machine.jobs.get(job.id) ?? job;
  }

  async #infer(
    query: AssignedQuery,
    work: {
      readonly model: LocalModel;
      readonly files: readonly InputFile[];
      readonly timeoutMs: number;
      readonly suspected: boolean;
    },
    signal: AbortSignal,
  ): Promise<{ readonly outputs: readonly InputOutput[]; readonly elapsedMs: number }> {
    if (work.files.length === 0) return { outputs: [], elapsedMs: 0 };
    const request: QueryRequest = {
      id: idOf(query),
      model: work.model,
      inputs: work.files,
      timeoutMs: work.timeoutMs,
      // A job begins at once, however long the queries of others are.
      express: query.query === 0,
    };
    const { executor } = this.#ports;
    const result = await (work.suspected
      ? executor.runAlone(request, { signal })
      : executor.run(request, { signal }));
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

/** What a query did to the executor, if that is what went wrong. */
function failureIn(error: unknown): QueryFailure | undefined {
  if (!hasCode(error, "EXECUTOR_FAILED") || error.details.during === "start") return undefined;
  return error.details.during === "timeout" ? "hung" : "killed";
}

function failure(failed: QueryFailure): QueryEnd {
  return { outputs: [], elapsedMs: 0, failed };
}
