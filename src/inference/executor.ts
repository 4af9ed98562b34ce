/**
 * Image inference in a process of its own: queries go in, results come out, and whatever a network does to
 * that process, the daemon lives on. Several queries run at a time, one per slot; the rest wait here.
 */
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";
import type { Network } from "../lib/network.ts";
import { systemClock } from "./clock.ts";
import { cancelled, Dispatcher, MAX_YIELD_MS } from "./dispatcher.ts";
import { Isolation } from "./isolation.ts";
import { Interleaver } from "./interleaver.ts";
import { ModelMemory } from "./model-memory.ts";
import { DEFAULT_LOADED_MODELS, ModelTable } from "./model-table.ts";
import type { ModelPlan, NetworkFile } from "./protocol.ts";
import { SharedQuery } from "./shared-query.ts";
import { closed, Supervisor } from "./supervisor.ts";
import { Ticket } from "./ticket.ts";
import type { LocalModel, LogLine, QueryRequest, QueryResult } from "./types.ts";
import { Validator } from "./validator.ts";

/** Requests under way, waiting included. The scheduler hands out at most 64 ahead per slot. */
export const MAX_REQUESTS = 1024;
/** How long `close` lets queries that run finish. */
export const DRAIN_MS = 10_000;

export interface ExecutorOptions {
  /** Queries run at a time: one thread and one core each. From 1. */
  readonly slots: number;
  /** One thread more, warm and idle, for express queries (design section 7). Default: none. */
  readonly hasSpare?: boolean;
  /** How long a slot stands still for an express query at most. Default {@link MAX_YIELD_MS}. */
  readonly yieldMs?: number;
  /** Default: nothing is logged. */
  readonly log?: (line: LogLine) => void;
  /** Default {@link MAX_REQUESTS}. */
  readonly maxRequests?: number;
  /** Models kept loaded, from 1; while queries use more, up to twice as many. Default {@link DEFAULT_LOADED_MODELS}. */
  readonly loadedModels?: number;
}

export interface RunOptions {
  /** Called as inputs are done, a few times a second at most, never with a smaller number than before. */
  readonly onProgress?: (inputsDone: number) => void;
  /** Aborting is a {@link Executor.cancel}. */
  readonly signal?: AbortSignal;
}

export class Executor implements AsyncDisposable {
  readonly slots: number;
  /** Models it keeps loaded. */
  readonly loadedModels: number;
  readonly #maxRequests: number;
  readonly #supervisor: Supervisor;
  readonly #validator: Validator;
  readonly #isolation: Isolation;
  readonly #models: ModelTable;
  readonly #memory: ModelMemory;
  readonly #dispatcher: Dispatcher;
  readonly #interleaver: Interleaver;
  #order = 0;
  #closing: Promise<void> | undefined;

  /**
   * Begins to start the process and does not wait for it: models and queries do. It is tried for ever, ever more slowly;
   * while it does not start they fail with EXECUTOR_FAILED.
   */
  static begin(options: ExecutorOptions): Executor {
    return new Executor(options);
  }

  /**
   * Starts the process. Ready when all its threads have answered.
   * @throws IDunnoError EXECUTOR_FAILED when it does not start, CLOSED when `signal` is aborted
   */
  static async start(
    options: ExecutorOptions,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Executor> {
    if (signal?.aborted) throw closed();
    const executor = new Executor(options);
    // Never rejects: it ends what `whenReady` waits for.
    const abort = (): void => void executor.destroy();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await executor.#supervisor.whenReady();
      return executor;
    } catch (error) {
      await executor.destroy();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  private constructor({
    slots,
    hasSpare = false,
    yieldMs = MAX_YIELD_MS,
    log = () => undefined,
    maxRequests = MAX_REQUESTS,
    loadedModels = DEFAULT_LOADED_MODELS,
  }: ExecutorOptions) {
    this.slots = slots;
    this.loadedModels = loadedModels;
    this.#maxRequests = maxRequests;
    const dispatcher = new Dispatcher(
      { slots, hasSpare, yieldMs },
      {
        clock: systemClock,
        live: () => this.#supervisor.live,
        onIdle: () => this.#memory.nudge(),
      },
    );
    this.#dispatcher = dispatcher;
    const interleaver = new Interleaver(slots, {
      clock: systemClock,
      run: async (request, plan, onProgress) => this.#runPiece(request, plan, onProgress),
      cancel: (id) => dispatcher.cancel(id),
      onEmpty: () => this.#memory.nudge(),
    });
    this.#interleaver = interleaver;
    this.#memory = new ModelMemory(
      { limit: loadedModels },
      {
        supervisor: () => this.#supervisor,
        isIdle: () => interleaver.size === 0 && dispatcher.idle,
        still: async (act) => dispatcher.still(act),
      },
    );
    this.#validator = new Validator(log);
    this.#isolation = new Isolation(log);
    this.#models = new ModelTable(
      { limit: loadedModels },
      {
        load: async (plan) => {
          await this.#memory.makeRoom();
          await dispatcher.duringLoad(() => this.#supervisor.load(plan));
        },
        used: () => interleaver.models,
        onOut: ({ key }) => this.#supervisor.forget(key),
      },
    );
    this.#supervisor = new Supervisor(
      { slots: slots + (hasSpare ? 1 : 0) },
      {
        log,
        onAnswer: (slot, answer) => dispatcher.onAnswer(slot, answer),
        onYielded: (slot, by) => dispatcher.onYielded(slot, by),
        onReady: () => dispatcher.pump(),
        onDown: (blame) => dispatcher.onDown(blame),
        onModelLost: (lost, error) => {
          this.#models.forget(({ key }) => key === lost.key);
          interleaver.rejectWhere(({ plan }) => plan?.key === lost.key, error);
        },
        onGivenUp: (error) => interleaver.rejectWhere(() => true, error),
      },
    );
  }

  /** The executor process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** Queries that threads run now, one that stands still for a newcomer included. */
  get running(): number {
    return this.#dispatcher.running;
  }

  /** Of those, the ones that stand still for a newcomer: 0 or 1. */
  get standing(): number {
    return this.#dispatcher.standing;
  }

  /** Queries accepted but not begun. */
  get queued(): number {
    return this.#interleaver.queued;
  }

  /**
   * What has been run of each job since this node began, in queries, as their micro-batches end: fair time is that jobs
   * of equal weight grow alike. Of jobs that went away the last 64 are remembered.
   */
  get queriesRun(): ReadonlyMap<string, number> {
    return this.#interleaver.queriesRun;
  }

  /**
   * Opens the model in every thread and runs it once there. It is loaded again whenever the process is replaced.
   * A model that is loaded already answers at once, with the time its loading took. Over the limit the one that was
   * used longest ago goes.
   * @throws IDunnoError BAD_MODEL, EXECUTOR_FAILED, BUSY (too many models in use), CLOSED
   */
  async load(model: LocalModel): Promise<{ readonly loadMs: number }> {
    this.#refuseIfClosing();
    return this.#models.entry(model).loading;
  }

  /** Whether a model of this file is loaded in every thread. */
  isLoaded(sha256: string): boolean {
    return this.#models.has(sha256);
  }

  /** Lets the models of this file go. Their memory is free after the next idle moment. */
  unload(sha256: string): void {
    for (const key of this.#models.forget((plan) => plan.sha256 === sha256))
      this.#supervisor.forget(key);
    this.#memory.nudge();
  }

  /**
   * Tries a model in a process of its own, harming nobody.
   * @throws IDunnoError BAD_MODEL saying what does not fit; EXECUTOR_FAILED, BUSY, CLOSED
   */
  async validate(model: LocalModel): Promise<void> {
    this.#refuseIfClosing();
    await this.#validator.validate(model);
  }

  /**
   * Opens a network in a process of its own and says what it is.
   * @throws IDunnoError BAD_MODEL when it cannot be opened; EXECUTOR_FAILED, BUSY, CLOSED
   */
  async inspect(file: NetworkFile): Promise<Network> {
    this.#refuseIfClosing();
    return this.#validator.inspect(file);
  }

  /**
   * Runs a query; its model is loaded if need be.
   * @throws IDunnoError EXECUTOR_FAILED when the process died, or was killed for this query's time-out, while a
   *   thread ran it, or the network threw; CLOSED when it was cancelled or the executor closed; BUSY when too many
   *   are under way; CONFLICT when its id is; BAD_MODEL
   */
  async run(
    request: QueryRequest,
    { onProgress = () => undefined, signal }: RunOptions = {},
  ): Promise<QueryResult> {
    this.#refuseIfClosing();
    if (signal?.aborted) throw cancelled(request.id);
    const { givenUp } = this.#supervisor;
    if (givenUp !== undefined) throw givenUp;
    if (this.#interleaver.has(request.id))
      throw new IDunnoError("CONFLICT", { what: `query ${request.id}`, why: "it is under way" });
    if (this.#interleaver.size >= this.#maxRequests)
      throw new IDunnoError("BUSY", { what: "the executor's queue", limit: this.#maxRequests });
    const entry = this.#models.entry(request.model);
    const query = new SharedQuery(request, { onProgress, clock: systemClock });
    const interleaver = this.#interleaver;
    interleaver.accept(query);
    if (entry.loaded) interleaver.place(query, entry.plan);
    else
      entry.loading.then(
        () => interleaver.place(query, entry.plan),
        (error: unknown) => interleaver.reject(query, asIDunnoError(error)),
      );
    const abort = (): void => this.cancel(request.id);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await query.answer;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #runPiece(
    request: QueryRequest,
    plan: ModelPlan,
    onProgress: (inputsDone: number) => void,
  ): Promise<QueryResult> {
    const ticket = new Ticket({ request, plan }, { order: this.#order, onProgress }, systemClock);
    this.#order += 1;
    this.#dispatcher.place(ticket);
    return ticket.answer;
  }

  /**
   * Runs a query in a process of its own that has run nothing before: what ends that one is the query's own doing.
   * @throws IDunnoError as {@link run}
   */
  async runAlone(
    request: QueryRequest,
    { signal }: Pick<RunOptions, "signal"> = {},
  ): Promise<QueryResult> {
    this.#refuseIfClosing();
    if (signal?.aborted) throw cancelled(request.id);
    const abort = (): void => this.cancel(request.id);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await this.#isolation.run(request);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Stops a query after the micro-batch in hand, or at once if it runs alone; its `run()` rejects with CLOSED. Unknown ids are ignored. */
  cancel(id: string): void {
    this.#interleaver.cancel(id);
    this.#isolation.cancel(id);
  }

  /** Finishes the queries that run, for at most {@link DRAIN_MS}; the others reject with CLOSED. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** SIGKILLs the process; all that is under way rejects with CLOSED. Idempotent. */
  async destroy(): Promise<void> {
    this.#closing ??= Promise.resolve();
    this.#memory.close();
    await Promise.all([
      this.#supervisor.destroy(),
      this.#validator.destroy(),
      this.#isolation.destroy(),
    ]);
    this.#interleaver.rejectWhere(() => true, closed());
    this.#dispatcher.rejectWhere(() => true, closed());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#memory.close();
    await this.#interleaver.drain(DRAIN_MS);
    await Promise.all([this.#validator.destroy(), this.#isolation.destroy()]);
    if (this.#interleaver.size === 0) await this.#supervisor.close();
    await this.destroy();
  }

  #refuseIfClosing(): void {
    if (this.#closing !== undefined) throw closed();
  }
}
