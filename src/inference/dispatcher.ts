/**
 * Hands queries, or pieces of them (interleaver.ts), to threads and answers to those who asked. When the process dies, each
 * query is treated as it deserves: one that was being run is reported (it may be the cause) unless another is known to be;
 * one that had not begun, or stood still for a newcomer, runs in the next process, unnoticed.
 *
 * Invariants, beside those of slots.ts
 *  Y5 no newcomer waits while the spare thread is idle, or a slot, however busy the others are;
 *  Y6 a slot stands still for {@link MAX_YIELD_MS} at most;
 *  Y7 a time-out counts the time that a query's thread runs it, and none in which it stands still;
 *  Y8 what stands still when the process ends has no part in its end.
 */
import { IDunnoError } from "../lib/errors.ts";
import type { Timer } from "../lib/runtime.ts";
import { assertNever } from "../lib/types.ts";
import type { Clock } from "./clock.ts";
import type { Blame, ExecutorProcess } from "./executor-process.ts";
import type { QueryAnswer, ThreadTimings } from "./protocol.ts";
import { Slots, type Yield } from "./slots.ts";
import type { Ticket } from "./ticket.ts";
import type { QueryResult, QueryTimings } from "./types.ts";

/** How long a slot stands still at most, if the newcomer's first micro-batch, of about 50 ms, is that slow or hangs. */
export const MAX_YIELD_MS = 1000;

/** The threads of a process that can take queries. */
export type LiveThreads = Pick<ExecutorProcess, "send" | "kill">;

export interface DispatcherPorts {
  readonly clock: Clock;
  /** The process, if it can take queries now. */
  readonly live: () => LiveThreads | undefined;
  /** No query is left, and no load. */
  readonly onIdle: () => void;
}

export class Dispatcher {
  readonly #clock: Clock;
  readonly #yieldMs: number;
  readonly #live: () => LiveThreads | undefined;
  readonly #placed: Slots<Ticket>;
  readonly #tickets = new Map<string, Ticket>();
  /** The yield that a thread was told of, and the end of the slot's patience. */
  #told: { readonly is: Yield<Ticket>; readonly timer: Pick<Timer, "cancel"> } | undefined;
  #isIdleDue = false;
  #loads = 0;
  #held = false;
  #onStill: () => void = () => undefined;
  readonly #onIdle: () => void;

  constructor(
    {
      slots,
      hasSpare,
      yieldMs = MAX_YIELD_MS,
    }: { readonly slots: number; readonly hasSpare: boolean; readonly yieldMs?: number },
    { clock, live, onIdle }: DispatcherPorts,
  ) {
    this.#placed = new Slots(slots, hasSpare);
    this.#clock = clock;
    this.#yieldMs = yieldMs;
    this.#live = live;
    this.#onIdle = onIdle;
  }

  /** No query, no load: the process may be replaced and nobody notices. */
  get idle(): boolean {
    return this.#tickets.size === 0 && this.#loads === 0;
  }

  /** Hands nothing out while `act` runs, which begins when threads hold nothing any more. */
  async still(act: () => Promise<void>): Promise<void> {
    this.#held = true;
    try {
      if (this.running > 0) await new Promise<void>((resolve) => (this.#onStill = resolve));
      await act();
    } finally {
      this.#held = false;
      this.pump();
    }
  }

  /** All that have no answer yet. */
  get size(): number {
    return this.#tickets.size;
  }

  /** Those that threads run. */
  get running(): number {
    return this.#placed.heads().length;
  }

  /** Those of them that stand still for a newcomer. */
  get standing(): number {
    return this.#placed.yielding?.stopped === true ? 1 : 0;
  }

  /** Takes a query whose model is loaded. */
  place(ticket: Ticket): void {
    this.#tickets.set(ticket.request.id, ticket);
    this.#placed.add(ticket);
    this.pump();
  }

  reject(ticket: Ticket, error: IDunnoError): void {
    this.#settle(ticket).reject(error);
  }

  rejectWhere(which: (ticket: Ticket) => boolean, error: IDunnoError): void {
    for (const ticket of this.#tickets.values()) if (which(ticket)) this.reject(ticket, error);
  }

  cancel(id: string): void {
    const ticket = this.#tickets.get(id);
    if (ticket === undefined) return;
    const slot = this.#placed.slotOf(ticket);
    if (slot === undefined) return this.reject(ticket, cancelled(id));
    // Its thread may be stuck: it need not be told again.
    if (ticket.cancelled) return;
    ticket.cancelled = true;
    // Whichever applies when they arrive: it has not begun, or it has.
    this.#live()?.send(slot, { kind: "recall", id });
    this.#live()?.send(slot, { kind: "cancel", id });
  }

  /** Loading a model holds every thread up, which is not the fault of the queries they run. */
  async duringLoad(load: () => Promise<void>): Promise<void> {
    const start = this.#clock.now();
    this.#loads += 1;
    try {
      await load();
    } finally {
      this.#loads -= 1;
      const ms = this.#clock.now() - start;
      for (const { item } of this.#placed.heads()) item.grant(ms);
      if (this.idle) this.#onIdle();
    }
  }

  /** Hands out what can be handed out, and starts the clocks of what threads now run. */
  pump(): void {
    const live = this.#live();
    const isHeld = live === undefined || this.#held;
    const placed = isHeld ? [] : this.#placed.assign();
    for (const { slot, item } of placed) {
      const { id, inputs, tensorsTo } = item.request;
      const { brief, express, plan } = item;
      live?.send(slot, { kind: "run", id, model: plan.key, inputs, tensorsTo, express, brief });
    }
    // After the newcomer has been sent, which waits for nobody.
    this.#tellYields();
    for (const { item } of this.#placed.heads())
      if (!item.started) item.start(() => this.#expired(item));
    this.#stopClocks();
    this.#lookForIdleSoon();
  }

  /**
   * When all that follows from what has been heard has followed: a slot whose next piece comes with the answers has not been
   * idle, so nobody's yield ends and nothing is recalled for it.
   */
  #lookForIdleSoon(): void {
    if (this.#isIdleDue || !this.#placed.hasIdle) return;
    this.#isIdleDue = true;
    this.#clock.soon(() => {
      this.#isIdleDue = false;
      this.#placed.endYieldBesideIdle();
      this.#tellYields();
      this.#stopClocks();
      this.#recallMisplaced();
    });
  }

  /** From a thread that holds it ahead, for one that is idle. */
  #recallMisplaced(): void {
    const misplaced = this.#placed.misplaced();
    if (misplaced === undefined || misplaced.item.recalled) return;
    misplaced.item.recalled = true;
    this.#live()?.send(misplaced.slot, { kind: "recall", id: misplaced.item.request.id });
  }

  onAnswer(slot: number, answer: QueryAnswer): void {
    const ticket = this.#tickets.get(answer.id);
    if (ticket === undefined || this.#placed.slotOf(ticket) !== slot) return;
    switch (answer.kind) {
      case "progress":
        ticket.progress(answer.inputsDone);
        // A newcomer has begun; from here on it shares the cores with the others.
        return this.#resumeFor(ticket);
      case "recalled":
        this.#putBack(ticket);
        break;
      case "done": {
        const waitMs = ticket.waitMs(answer.timings.totalMs);
        ticket.progress(answer.outputs.length);
        this.#settle(ticket).resolve(resultOf(answer, waitMs));
        break;
      }
      case "damaged": {
        const { kind, hash, why } = answer;
        this.#settle(ticket).resolve({ kind, hash, why });
        break;
      }
      case "failed":
        this.reject(
          ticket,
          new IDunnoError("EXECUTOR_FAILED", { why: answer.why, during: "query" }),
        );
        break;
      case "unwritten":
        this.reject(ticket, noRoom(answer.why));
        break;
      case "cancelled":
        this.reject(ticket, cancelled(answer.id));
        break;
      default:
        assertNever(answer, "answer of a thread");
    }
    this.pump();
  }

  /** A thread stands still: what it runs has no clock meanwhile. */
  onYielded(slot: number, by: number): void {
    this.#placed.stopped(slot, by);
    this.#stopClocks();
  }

  onDown(blame: Blame): void {
    const { begun, notBegun } = this.#placed.lose();
    this.#tellYields();
    for (const ticket of begun) {
      const guilty = blame.kind === "query" && blame.id === ticket.request.id;
      if (guilty || blame.kind === "unknown")
        this.reject(
          ticket,
          new IDunnoError("EXECUTOR_FAILED", {
            why: blame.why,
            during: guilty ? "timeout" : "query",
          }),
        );
      else this.#putBack(ticket);
    }
    for (const ticket of notBegun) this.#putBack(ticket);
    if (this.running === 0) this.#onStill();
  }

  #expired(ticket: Ticket): number | undefined {
    const { id, timeoutMs } = ticket.request;
    // A load is bounded too; what it took is granted when it is over.
    if (this.#loads > 0) return timeoutMs;
    const why = `query ${id} timed out after ${timeoutMs} ms`;
    this.#live()?.kill({ kind: "query", id, why });
    return undefined;
  }

  #resumeFor(by: Ticket): void {
    this.#placed.resume(by);
    this.#tellYields();
    this.#stopClocks();
  }

  /** Tells threads which of them is to stand still, if that has changed. */
  #tellYields(): void {
    const { yielding } = this.#placed;
    const told = this.#told;
    if (told?.is.by === yielding?.by) return;
    const live = this.#live();
    if (told !== undefined) {
      told.timer.cancel();
      live?.send(told.is.slot, { kind: "resume", by: told.is.by.order });
      if (live !== undefined) this.#placed.goesOn(told.is.slot);
    }
    this.#told = undefined;
    if (yielding === undefined) return;
    const { slot, by } = yielding;
    live?.send(slot, { kind: "yield", by: by.order });
    const timer = this.#clock.after(this.#yieldMs, () => this.#resumeFor(by));
    this.#told = { is: yielding, timer };
  }

  #stopClocks(): void {
    const { yielding } = this.#placed;
    for (const { slot, item } of this.#placed.heads())
      if (yielding?.stopped === true && yielding.slot === slot) item.pause();
      else item.resume();
  }

  /** To the waiting ones, where it was before. */
  #putBack(ticket: Ticket): void {
    ticket.stop();
    this.#placed.remove(ticket);
    if (ticket.cancelled) this.reject(ticket, cancelled(ticket.request.id));
    else this.#placed.add(ticket);
  }

  /** Takes the ticket out of everything; the caller gives it its answer. */
  #settle(ticket: Ticket): Ticket {
    ticket.stop();
    this.#placed.remove(ticket);
    this.#tickets.delete(ticket.request.id);
    this.#tellYields();
    if (this.running === 0) this.#onStill();
    if (this.idle) this.#onIdle();
    return ticket;
  }
}

/** The times of what one thread did at one go. */
function spanned(timings: ThreadTimings, waitMs: number): QueryTimings {
  return { waitMs, ...timings, spanMs: timings.totalMs };
}

export function cancelled(id: string): IDunnoError {
  return new IDunnoError("CLOSED", { what: `query ${id}` });
}

/** A query's results, from what its thread says. */
export function resultOf(
  { kind, outputs, timings, tensors }: Extract<QueryAnswer, { readonly kind: "done" }>,
  waitMs: number,
): QueryResult {
  const done = { kind, outputs, timings: spanned(timings, waitMs) };
  return tensors === undefined ? done : { ...done, tensors };
}

/** What a query gave could not be kept: it may be tried again. */
export function noRoom(why: string): IDunnoError {
  return new IDunnoError("BUSY", { what: `the disk for arrays (${why})`, limit: 0 });
}
