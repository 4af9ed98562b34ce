/**
 * One `run()` from the call to its answer, and the clock of its time-out, which runs only while a thread runs it and
 * stands while the thread stands still for a newcomer.
 */
import type { IDunnoError } from "../lib/errors.ts";
import type { Timer } from "../lib/runtime.ts";
import type { Clock } from "./clock.ts";
import type { ModelPlan } from "./protocol.ts";
import type { QueryRequest, QueryResult } from "./types.ts";

/** What `setTimeout` can hold; longer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface TicketOptions {
  /** Of arrival. */
  readonly order: number;
  /** Called as inputs are done, never with a smaller number than before. Default: nobody asks. */
  readonly onProgress?: (inputsDone: number) => void;
}

export class Ticket {
  /** The order of arrival. */
  readonly order: number;
  readonly request: QueryRequest;
  /** May run on the spare thread. */
  readonly express: boolean;
  /** Its answer may come late, together with others'. */
  readonly brief: boolean;
  /** Whose it is. */
  readonly job: string;
  /** Settles as `run()` does. */
  readonly answer: Promise<QueryResult>;
  readonly plan: ModelPlan;
  cancelled = false;
  /** It has been asked back from a thread that had not begun it. */
  recalled = false;
  readonly #onProgress: (inputsDone: number) => void;
  readonly #clock: Clock;
  readonly #askedAt: number;
  #startedAt: number | undefined;
  #timer: Pick<Timer, "cancel"> | undefined;
  #inputsDone = 0;
  #graceMs = 0;
  /** When its time is up and what happens then, while its clock runs or stands. */
  #limit: { readonly endsAt: number; readonly onExpired: () => number | undefined } | undefined;
  /** What was left when it was stopped. */
  #leftMs: number | undefined;
  resolve: (result: QueryResult) => void = () => undefined;
  reject: (error: IDunnoError) => void = () => undefined;

  constructor(
    { request, plan }: { readonly request: QueryRequest; readonly plan: ModelPlan },
    { order, onProgress = () => undefined }: TicketOptions,
    clock: Clock,
  ) {
    this.order = order;
    this.request = request;
    this.plan = plan;
    this.#clock = clock;
    this.#askedAt = clock.now();
    this.express = request.express ?? false;
    this.brief = request.brief ?? false;
    [this.job = request.id] = request.id.split("/", 1);
    this.#onProgress = onProgress;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get started(): boolean {
    return this.#startedAt !== undefined;
  }

  /**
   * From the call until a thread began it, the last time it was begun.
   * @param ranMs what it took: where answers come together it has begun so long ago at least
   */
  waitMs(ranMs: number): number {
    const now = this.#clock.now();
    const begunAt = Math.min(this.#startedAt ?? now, now - ranMs);
    return Math.max(0, begunAt - this.#askedAt);
  }

  /**
   * A thread runs it from now on.
   * @param onExpired called when its time is up; may return how many ms more it is to have
   */
  start(onExpired: () => number | undefined): void {
    this.#startedAt = this.#clock.now();
    this.recalled = false;
    this.#arm(this.request.timeoutMs, onExpired);
  }

  /** Gives back what of the last `ms` its thread may have spent on something else, such as loading a model. */
  grant(ms: number): void {
    if (this.#startedAt !== undefined)
      this.#graceMs += Math.min(ms, this.#clock.now() - this.#startedAt);
  }

  /** Its thread stands still. Repeating it changes nothing. */
  pause(): void {
    if (this.#limit === undefined || this.#leftMs !== undefined) return;
    this.#leftMs = Math.max(0, this.#limit.endsAt - this.#clock.now());
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Its thread goes on, with the time that was left. Repeating it changes nothing. */
  resume(): void {
    if (this.#limit === undefined || this.#leftMs === undefined) return;
    this.#arm(this.#leftMs, this.#limit.onExpired);
  }

  /** No thread runs it any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#limit = undefined;
    this.#leftMs = undefined;
    this.#startedAt = undefined;
    this.recalled = false;
    this.#graceMs = 0;
  }

  /** Never goes back, though a query that is begun anew does. */
  progress(inputsDone: number): void {
    if (inputsDone <= this.#inputsDone) return;
    this.#inputsDone = inputsDone;
    this.#onProgress(inputsDone);
  }

  #arm(ms: number, onExpired: () => number | undefined): void {
    const expire = (): void => {
      if (this.#timer !== timer) return;
      const moreMs = this.#graceMs > 0 ? this.#graceMs : onExpired();
      this.#graceMs = 0;
      if (moreMs !== undefined) this.#arm(moreMs, onExpired);
    };
    // If this process was stopped or busy, the answer may lie unread: one turn of the loop reads it first.
    const waitMs = Math.min(ms, MAX_TIMER_MS);
    const timer = this.#clock.after(waitMs, () => this.#clock.soon(expire));
    this.#timer = timer;
    this.#leftMs = undefined;
    this.#limit = { endsAt: this.#clock.now() + waitMs, onExpired };
  }
}
