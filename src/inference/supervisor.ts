/**
 * Keeps one executor process alive: starts it, loads the models that were loaded before, and when it dies
 * starts the next, ever more slowly while it dies at the start. One that holds models nobody wants any more it
 * replaces when told to. Knows nothing of queries but passes their answers on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoError } from "../lib/errors.ts";
import { type Blame, ExecutorProcess } from "./executor-process.ts";
import type { ModelPlan, QueryAnswer } from "./protocol.ts";
import type { LogLine } from "./types.ts";

/**
 * Node, onnxruntime and the threads start in 0.3 s. But niced as they are, they get next to nothing of a machine on which
 * others are busy; so each start that was too slow gives the next one twice the time, or none would ever come up.
 */
const START_MS = { first: 15_000, most: 240_000 } as const;
/** Of a process for one thing, which is not tried again at once. */
export const LONE_START_WITHIN_MS = 60_000;

/** @param failures starts that failed one after the other before this one */
export function startWithinMs(failures: number): number {
  return Math.min(START_MS.most, START_MS.first * 2 ** failures);
}
/** Opening and warming a network takes 0.1 to 2 s on a busy machine; big ones may take a minute. */
export const LOAD_WITHIN_MS = 120_000;
/** Nothing is under way then, so threads end at once. */
const CLOSE_WITHIN_MS = 3_000;
/** After the first failed start; doubled by each further one. */
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** Starts that fail one after the other until those who wait are told. About 3 s; trying goes on. */
const MAX_START_FAILURES = 6;
/** A model during whose loading the process dies so often is held to be the cause. */
const MAX_LOAD_DEATHS = 2;

export interface SupervisorPorts {
  readonly log: (line: LogLine) => void;
  readonly onAnswer: (slot: number, answer: QueryAnswer) => void;
  readonly onYielded: (slot: number, by: number) => void;
  /** All threads are up, all models loaded. */
  readonly onReady: () => void;
  /** The process that was ready is gone. */
  readonly onDown: (blame: Blame) => void;
  /** A model that was loaded cannot be loaded any more. */
  readonly onModelLost: (plan: ModelPlan, error: IDunnoError) => void;
  /** It does not start; those who wait should not wait longer. */
  readonly onGivenUp: (error: IDunnoError) => void;
}

interface Waiter {
  readonly resolve: (process: ExecutorProcess) => void;
  readonly reject: (error: IDunnoError) => void;
}

export class Supervisor {
  readonly #slots: number;
  readonly #ports: SupervisorPorts;
  readonly #models = new Map<number, ModelPlan>();
  readonly #loadDeaths = new Map<number, number>();
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #waiters: Waiter[] = [];
  #process: ExecutorProcess | undefined;
  /** Being made ready to take the place of the present one. */
  #next: ExecutorProcess | undefined;
  #replacing: Promise<boolean> = Promise.resolve(false);
  #ready = false;
  #startFailures = 0;
  #lastWhy = "";

  constructor({ slots }: { readonly slots: number }, ports: SupervisorPorts) {
    this.#slots = slots;
    this.#ports = ports;
    this.#ended = this.#keepAlive();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The process, if it can take queries now. */
  get live(): ExecutorProcess | undefined {
    return this.#ready && this.#process?.gone === false ? this.#process : undefined;
  }

  /** Set while it does not start: nothing should be waited for. */
  get givenUp(): IDunnoError | undefined {
    if (this.#startFailures < MAX_START_FAILURES) return undefined;
    const why = `it failed to start ${this.#startFailures} times in a row: ${this.#lastWhy}`;
    return new IDunnoError("EXECUTOR_FAILED", { why, during: "start" });
  }

  /** @throws IDunnoError EXECUTOR_FAILED when it does not start, CLOSED when it is closed meanwhile */
  whenReady(): Promise<ExecutorProcess> {
    if (this.#stopping.signal.aborted) return Promise.reject(closed());
    const { live, givenUp } = this;
    if (live !== undefined) return Promise.resolve(live);
    if (givenUp !== undefined) return Promise.reject(givenUp);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /**
   * Loads a model in every thread, now and in every later process.
   * @throws IDunnoError BAD_MODEL, EXECUTOR_FAILED, CLOSED
   */
  async load(plan: ModelPlan): Promise<void> {
    for (;;) {
      const process = await this.whenReady();
      if (await this.#loadIn(process, plan)) return;
    }
  }

  /** Models that the present process holds, wanted or not. */
  get resident(): number {
    return this.live?.loaded.size ?? 0;
  }

  /** Whether the present process holds models that were forgotten. */
  get holdsUnwanted(): boolean {
    return [...(this.live?.loaded ?? [])].some((key) => !this.#models.has(key));
  }

  /**
   * Starts another process with the models that are wanted and then ends the present one, if `mayEnd` says so at that
   * moment; if not, or if the other does not start, the other ends and nothing has changed.
   * @returns whether it was replaced
   */
  replace(mayEnd: () => boolean): Promise<boolean> {
    this.#replacing = this.#replacing.then(() => this.#replace(mayEnd));
    return this.#replacing;
  }

  /** Ends the present process, which nobody uses; the next starts with the models that are wanted. */
  restart(why: string): void {
    this.live?.kill({ kind: "nobody", why });
  }

  /** Later processes do without it. The present one keeps it: releasing sessions leaks memory. */
  forget(model: number): void {
    this.#models.delete(model);
  }

  /** Lets the idle threads end. Idempotent. */
  async close(): Promise<void> {
    this.#stop();
    // One that is not ready may be anywhere in its start.
    if (this.#ready) await this.#process?.close(CLOSE_WITHIN_MS);
    return this.destroy();
  }

  /** SIGKILL. Idempotent. */
  destroy(): Promise<void> {
    this.#stop();
    for (const child of [this.#process, this.#next])
      child?.kill({ kind: "nobody", why: "it was closed" });
    return Promise.all([this.#ended, this.#replacing]).then(() => undefined);
  }

  #stop(): void {
    this.#stopping.abort();
    this.#tell((waiter) => waiter.reject(closed()));
  }

  #tell(tell: (waiter: Waiter) => void): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) tell(waiter);
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const blame = await this.#live();
      if (signal.aborted) return;
      this.#ports.log({ level: "warn", event: "executor-down", why: blame.why });
      this.#lastWhy = blame.why;
      const { givenUp } = this;
      if (givenUp !== undefined) {
        this.#tell((waiter) => waiter.reject(givenUp));
        this.#ports.onGivenUp(givenUp);
      }
      // One that was killed on purpose is well: its successor need not wait.
      if (this.#startFailures === 0 && blame.kind !== "unknown") continue;
      const delayMs = BACKOFF_MS * 2 ** Math.max(0, this.#startFailures - 1);
      try {
        await sleep(Math.min(delayMs, MAX_BACKOFF_MS), undefined, { signal });
      } catch (error) {
        // Only aborted when closing, which the loop sees.
        void error;
      }
    }
  }

  /** The life of one process and of those that replace it, from the start to the end. */
  async #live(): Promise<Blame> {
    const { log, onReady, onDown } = this.#ports;
    let child: ExecutorProcess;
    try {
      child = this.#fork();
    } catch (error) {
      this.#startFailures += 1;
      return { kind: "unknown", why: error instanceof Error ? error.message : String(error) };
    }
    this.#process = child;
    const ready =
      (await child.up(startWithinMs(this.#startFailures))) && (await this.#loadAll(child));
    if (ready) {
      log({ level: "info", event: "executor-ready", pid: child.pid, models: this.#models.size });
      this.#startFailures = 0;
      this.#ready = true;
      this.#tell((waiter) => waiter.resolve(child));
      onReady();
    } else this.#startFailures += 1;
    let blame = await child.exited;
    for (let now = this.#process; now !== child; now = this.#process) {
      child = now;
      blame = await child.exited;
    }
    this.#process = undefined;
    this.#ready = false;
    if (ready) onDown(blame);
    return blame;
  }

  #fork(): ExecutorProcess {
    const { log, onAnswer, onYielded } = this.#ports;
    return new ExecutorProcess({ slots: this.#slots, log, onAnswer, onYielded });
  }

  async #replace(mayEnd: () => boolean): Promise<boolean> {
    const { log } = this.#ports;
    const old = this.live;
    if (old === undefined || this.#stopping.signal.aborted) return false;
    let next: ExecutorProcess;
    try {
      next = this.#fork();
    } catch (error) {
      log({ level: "info", event: "executor-not-replaced", why: String(error) });
      return false;
    }
    this.#next = next;
    let isReady = await next.up(LONE_START_WITHIN_MS);
    // Again, for what was loaded into the old one meanwhile.
    while (isReady && [...this.#models.keys()].some((key) => !next.loaded.has(key)))
      isReady = await this.#loadAll(next);
    this.#next = undefined;
    const isWanted = this.live === old && !this.#stopping.signal.aborted && mayEnd();
    if (!isReady || next.gone || !isWanted) {
      next.kill({ kind: "nobody", why: "it was not needed" });
      const { why } = await next.exited;
      log({ level: "info", event: "executor-not-replaced", why });
      return false;
    }
    this.#process = next;
    log({ level: "info", event: "executor-replaced", pid: next.pid, models: this.#models.size });
    await old.close(CLOSE_WITHIN_MS);
    return true;
  }

  async #loadAll(child: ExecutorProcess): Promise<boolean> {
    for (const plan of this.#models.values()) {
      if (child.loaded.has(plan.key)) continue;
      try {
        if (!(await this.#loadIn(child, plan))) return false;
      } catch (error) {
        if (!(error instanceof IDunnoError)) throw error;
        this.#models.delete(plan.key);
        this.#ports.log({ level: "error", event: "model-lost", why: error.message });
        this.#ports.onModelLost(plan, error);
      }
      if (child.gone) return false;
    }
    return !child.gone;
  }

  /** Whether it is loaded now; if not, the process is gone. */
  async #loadIn(child: ExecutorProcess, plan: ModelPlan): Promise<boolean> {
    const end = await child.load(plan, LOAD_WITHIN_MS);
    switch (end.kind) {
      case "loaded":
        this.#loadDeaths.delete(plan.key);
        this.#models.set(plan.key, plan);
        return true;
      case "refused":
        throw new IDunnoError("BAD_MODEL", { model: plan.name, why: end.why });
      case "gone": {
        if (end.blame.kind !== "unknown") return false;
        const deaths = (this.#loadDeaths.get(plan.key) ?? 0) + 1;
        this.#loadDeaths.set(plan.key, deaths);
        if (deaths < MAX_LOAD_DEATHS) return false;
        this.#loadDeaths.delete(plan.key);
        const why = `the executor died ${deaths} times while loading it (${end.blame.why})`;
        throw new IDunnoError("BAD_MODEL", { model: plan.name, why });
      }
    }
  }
}

export function closed(): IDunnoError {
  return new IDunnoError("CLOSED", { what: "the inference executor" });
}
