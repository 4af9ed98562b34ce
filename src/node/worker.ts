/**
 * This node's half of inference: takes queries, makes their model and inputs local, has the executor run them, and
 * hands the results to whoever leads until one leader has committed them. It never needs a leader to go on working.
 *
 * Invariants
 *  W1 a (job, query, attempt) is run at most once per boot, however often it is pushed;
 *  W2 finished results are kept until a leader acknowledged them, or their job has ended;
 *  W3 results depend on the input, the model and its manifest only: errors come from a fixed table.
 */
import { asIDunnoError, hasCode, IDunnoError } from "../lib/errors.ts";
import type { AssignedQuery } from "../lib/outcome.ts";
import type { Runtime } from "../lib/runtime.ts";
import { assert, Attempt, JobId, type NodeId, QueryNumber } from "../lib/types.ts";
import type {
  InputFile,
  InputOutput,
  LocalModel,
  QueryRequest,
  WrittenTensors,
} from "../inference/types.ts";
import type { Machine } from "../machine/machine.ts";
import { hasEnded } from "../scheduler/rows.ts";
import { queryTimeoutMs } from "../scheduler/timeouts.ts";
import type { Completion, JobRecord, PackedOutput, QueryFailure } from "../scheduler/types.ts";
import type { Applier } from "./applier.ts";
import type { ChunkService } from "./chunk-service.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Inputs } from "./inputs.ts";
import { LocalInputs } from "./local-inputs.ts";
import type { Logger } from "./log.ts";
import type { Inference, LocalModels } from "./ports.ts";
import type { TensorFiles } from "./tensor-files.ts";

/** Queries in hand: the scheduler gives a slot 64 at most; a machine may have 128 slots. */
const queriesInHand = 64 * 128;
/** Queries of a job per slot whose inputs are made local ahead of their turn: no job waits for another's. */
const preparedPerSlot = 4;
/** Pause before trying again what could not be done now, such as fetching from a dead replica, in ms; it doubles. */
const retryPauseMs = 100;
const retryPauseMaxMs = 5_000;
/** Characters of why a query is kept back that are told. */
const delayText = 512;

type QueryEnd = Pick<Completion, "outputs" | "elapsedMs" | "failed" | "spanMs" | "tensors">;

interface Work {
  readonly model: LocalModel;
  readonly files: readonly InputFile[];
  /** Of each file, its input's number in the job. */
  readonly numbers: readonly number[];
  readonly timeoutMs: number;
  readonly weight: number;
  readonly suspected: boolean;
}

interface Inferred extends Pick<QueryEnd, "elapsedMs" | "spanMs" | "tensors"> {
  readonly outputs: readonly InputOutput[];
}

interface Asked {
  readonly inferred: Inferred;
  /** Arrays that are on this machine. */
  readonly written: WrittenTensors | undefined;
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
  readonly tensorFiles: TensorFiles;
  /** Takes a finished query over; see {@link Results}. */
  readonly finished: (completion: Completion) => void;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Worker {
  readonly #ports: WorkerPorts;
  readonly #closing = sharedAbort();
  readonly #inHand = new Map<string, AssignedQuery>();
  /** By job, as they came. */
  readonly #queue = new Map<string, AssignedQuery[]>();
  /** Those of them that are prepared or run: the others are looked at when their turn comes, or are done. */
  readonly #underWay = new Set<AssignedQuery>();
  /** Of those, why the last attempt at them came to nothing. */
  readonly #delays = new Map<AssignedQuery, string>();
  /** How many of each job are prepared or run, but those under suspicion. */
  readonly #prepared = new Map<string, number>();

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
      const others = this.#queue.get(query.job);
      if (others === undefined) this.#queue.set(query.job, [query]);
      else others.push(query);
    }
    this.#pump();
  }

  /** A result was committed, or is not wanted any more: forget the query. */
  forget(query: Pick<AssignedQuery, "job" | "query" | "attempt">): void {
    this.#inHand.delete(idOf(query));
  }

  /** The state moved on: queries that nobody waits for any more stop after their micro-batch. */
  onApplied(): void {
    for (const query of this.#underWay)
      if (this.#isOver(query)) this.#ports.executor.cancel(idOf(query));
  }

  /** What keeps the job's queries back here, for people to read; undefined when nothing does. */
  delayOf(job: JobId): string | undefined {
    for (const [query, why] of this.#delays) if (query.job === job) return why;
    const isHere = [...this.#underWay].some((query) => query.job === job);
    return isHere && this.#ports.executor.pid === undefined
      ? "its executor is starting"
      : undefined;
  }

  #pump(): void {
    const places = this.#ports.executor.slots * preparedPerSlot;
    for (const [job, queries] of this.#queue) {
      while (this.#preparing(job) < places && !this.#closing.signal.aborted) {
        const query = queries.shift();
        if (query === undefined) break;
        this.#prepared.set(job, this.#preparing(job) + 1);
        let hasPlace = true;
        const leave = (): void => {
          if (!hasPlace) return;
          hasPlace = false;
          const left = this.#preparing(job) - 1;
          if (left > 0) this.#prepared.set(job, left);
          else this.#prepared.delete(job);
          this.#pump();
        };
        void this.#process(query, leave).finally(leave);
      }
      if (queries.length === 0) this.#queue.delete(job);
    }
  }

  #preparing(job: string): number {
    return this.#prepared.get(job) ?? 0;
  }

  /** @param leave gives up its place among those that are prepared or run */
  async #process(query: AssignedQuery, leave: () => void): Promise<void> {
    const { log, finished, self } = this.#ports;
    const { signal } = this.#closing;
    this.#underWay.add(query);
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
    } finally {
      this.#underWay.delete(query);
      this.#delays.delete(query);
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
        this.#delays.set(query, `${code}: ${message}`.slice(0, delayText));
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
    using local = new LocalInputs(this.#ports.chunks);
    const found = await Promise.all(list.map(async (input) => local.add(input, signal)));
    const files = found.filter((each) => typeof each !== "string");
    // While the inputs came, the executor did not know of it yet and could not be told.
    if (this.#isOver(query)) throw new IDunnoError("CLOSED", { what: `query ${idOf(query)}` });
    const numbers = found.flatMap((each, i) => (typeof each === "string" ? [] : [query.from + i]));
    const newest = this.#newest(job);
    const timeoutMs = queryTimeoutMs(newest, files.length);
    const work = { model, files, numbers, timeoutMs, weight: newest.weight, suspected };
    const { outputs, ...rest } = await this.#infer(query, work, signal);
    let next = 0;
    return {
      ...rest,
      outputs: found.map((each) => {
        if (typeof each === "string") return each;
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

  /** As {@link #ask}; what it gives as arrays is in SDFS then, and no more on this machine. */
  async #infer(query: AssignedQuery, work: Work, signal: AbortSignal): Promise<Inferred> {
    if (work.model.manifest.outputs === undefined)
      return (await this.#ask(query, work, undefined, signal)).inferred;
    const { tensorFiles } = this.#ports;
    const path = await tensorFiles.place(idOf(query));
    try {
      const { inferred, written } = await this.#ask(query, work, path, signal);
      if (written === undefined) return inferred;
      const isWanted = (): boolean => !this.#isOver(query);
      return { ...inferred, tensors: await tensorFiles.upload(written, isWanted, signal) };
    } finally {
      await tensorFiles.remove(path);
    }
  }

  async #ask(
    query: AssignedQuery,
    work: Work,
    tensorsPath: string | undefined,
    signal: AbortSignal,
  ): Promise<Asked> {
    this.#delays.delete(query);
    if (work.files.length === 0)
      return { inferred: { outputs: [], elapsedMs: 0 }, written: undefined };
    const { numbers } = work;
    const request: QueryRequest = {
      id: idOf(query),
      model: work.model,
      inputs: work.files,
      timeoutMs: work.timeoutMs,
      // A job begins at once, however long the queries of others are.
      express: query.query === 0,
      weight: work.weight,
      tensorsTo: tensorsPath === undefined ? undefined : { path: tensorsPath, numbers },
    };
    const { executor } = this.#ports;
    const result = await (work.suspected
      ? executor.runAlone(request, { signal })
      : executor.run(request, { signal }));
    if (result.kind === "done") {
      const { outputs, timings, tensors: written } = result;
      const elapsedMs = Math.round(timings.totalMs);
      const spanMs = Math.round(timings.spanMs);
      const inferred = spanMs > elapsedMs ? { outputs, elapsedMs, spanMs } : { outputs, elapsedMs };
      return { inferred, written };
    }
    await this.#ports.chunks.discard(result.hash);
    throw new IDunnoError("CHUNK_UNAVAILABLE", { hash: result.hash, tried: [this.#ports.self] });
  }

  close(): void {
    this.#closing.abort(new IDunnoError("CLOSED", { what: "the worker" }));
  }
}

function idOf({ job, query, attempt }: Pick<AssignedQuery, "job" | "query" | "attempt">): string {
  return `${job}/${query}/${attempt}`;
}

function packOutput(output: InputOutput): PackedOutput {
  switch (output.kind) {
    case "error":
      return output.code;
    case "row":
      return [];
    case "classes":
      return output.top.flat();
  }
}

/** What a query did to the executor, if that is what went wrong. */
function failureIn(error: unknown): QueryFailure | undefined {
  if (!hasCode(error, "EXECUTOR_FAILED") || error.details.during === "start") return undefined;
  return error.details.during === "timeout" ? "hung" : "killed";
}

function failure(failed: QueryFailure): QueryEnd {
  return { outputs: [], elapsedMs: 0, failed };
}
