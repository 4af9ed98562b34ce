/**
 * Hands queries to threads and answers to those who asked. When the process dies, each query is treated as it
 * deserves: one that was being run is reported (it may be the cause) unless another is known to be; one that had
 * not begun, or stood still for a newcomer, runs in the next process, unnoticed.
 */
import { IDunnoError } from "../lib/errors.ts";
import { assertNever } from "../lib/types.ts";
import type { Blame, ExecutorProcess } from "./executor-process.ts";
import type { ModelPlan, QueryAnswer } from "./protocol.ts";
import { Slots, type Yield } from "./slots.ts";
import type { Ticket } from "./ticket.ts";

/** How long a slot stands still at most, if the newcomer's first micro-batch, of about 50 ms, is that slow or hangs. */
export const MAX_YIELD_MS = 1000;

export class Dispatcher {
  readonly #live: () => ExecutorProcess | undefined;
  readonly #placed: Slots<Ticket>;
  readonly #tickets = new Map<string, Ticket>();
  /** The yield that a thread was told of, and the end of the slot's patience. */
  #told: { readonly is: Yield<Ticket>; readonly timer: NodeJS.Timeout } | undefined;
  #loads = 0;
  #closing = false;
  #held = false;
  #onEmpty: () => void = () => undefined;
  #onStill: () => void = () => undefined;
  readonly #onIdle: () => void;

  /**
   * @param live the process, if it can take queries now
   * @param onIdle no query is left, and no load
   */
  constructor(
    { slots, hasSpare }: { readonly slots: number; readonly hasSpare: boolean },
    live: () => ExecutorProcess | undefined,
    onIdle: () => void,
  ) {
    this.#placed = new Slots(slots, hasSpare);
    this.#live = live;
    this.#onIdle = onIdle;
  }

  /** No query, no load: the process may be replaced and nobody notices. */
  get idle(): boolean {
    return this.#tickets.size === 0 && this.#loads === 0;
  }

  /** The models that queries need. */
  get models(): ReadonlySet<number> {
    return new Set([...this.#tickets.values()].flatMap(({ plan }) => plan?.key ?? []));
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

  has(id: string): boolean {
    return this.#tickets.has(id);
  }

  /** Accepts a query whose model may still be loading; {@link place} follows. */
  accept(ticket: Ticket): void {
    this.#tickets.set(ticket.request.id, ticket);
  }

  /** Its model is loaded: it may run. */
  place(ticket: Ticket, plan: ModelPlan): void {
    if (this.#tickets.get(ticket.request.id) !== ticket) return;
    ticket.plan = plan;
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
    ticket.cancelled = true;
    const slot = this.#placed.slotOf(ticket);
    if (slot === undefined) return this.reject(ticket, cancelled(id));
    // Whichever applies when they arrive: it has not begun, or it has.
    this.#live()?.send(slot, { kind: "recall", id });
    this.#live()?.send(slot, { kind: "cancel", id });
  }

  /** Hands nothing out any more, cancels what no thread runs, and waits for the rest. */
  async drain(withinMs: number): Promise<void> {
    this.#closing = true;
    const begun = new Set(this.#placed.heads().map(({ item }) => item));
    for (const ticket of this.#tickets.values())
      if (!begun.has(ticket)) this.cancel(ticket.request.id);
    if (this.#tickets.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Loading a model holds every thread up, which is not the fault of the queries they run. */
  async duringLoad(load: () => Promise<void>): Promise<void> {
    const start = performance.now();
    this.#loads += 1;
    try {
      await load();
    } finally {
      this.#loads -= 1;
      const ms = performance.now() - start;
      for (const { item } of this.#placed.heads()) item.grant(ms);
      if (this.idle) this.#onIdle();
    }
  }

  /** Hands out what can be handed out, and starts the clocks of what threads now run. */
  pump(): void {
    const live = this.#live();
    const isHeld = live === undefined || this.#closing || this.#held;
    const placed = isHeld ? [] : this.#placed.assign();
    for (const { slot, item } of placed) {
      const { id, inputs } = item.request;
      // A ticket is placed with its plan.
      if (item.plan !== undefined)
        live?.send(slot, { kind: "run", id, model: item.plan.key, inputs });
    }
    // After the newcomer has been sent, which waits for nobody.
    this.#tellYields();
    for (const { item } of this.#placed.heads())
      if (!item.started) item.start(() => this.#expired(item));
    this.#stopClocks();
    const misplaced = this.#placed.misplaced();
    if (misplaced === undefined || misplaced.item.recalled) return;
    misplaced.item.recalled = true;
    live?.send(misplaced.slot, { kind: "recall", id: misplaced.item.request.id });
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
        const { kind, outputs, timings } = answer;
        const { waitMs } = ticket;
        this.#settle(ticket).resolve({ kind, outputs, timings: { waitMs, ...timings } });
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
      clearTimeout(told.timer);
      live?.send(told.is.slot, { kind: "resume", by: told.is.by.order });
    }
    this.#told = undefined;
    if (yielding === undefined) return;
    const { slot, by } = yielding;
    live?.send(slot, { kind: "yield", by: by.order });
    this.#told = { is: yielding, timer: setTimeout(() => this.#resumeFor(by), MAX_YIELD_MS) };
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
    if (ticket.cancelled || this.#closing) this.reject(ticket, cancelled(ticket.request.id));
    else this.#placed.add(ticket);
  }

  /** Takes the ticket out of everything; the caller gives it its answer. */
  #settle(ticket: Ticket): Ticket {
    ticket.stop();
    this.#placed.remove(ticket);
    this.#tickets.delete(ticket.request.id);
    this.#tellYields();
    if (this.running === 0) this.#onStill();
    if (this.#tickets.size === 0) this.#onEmpty();
    if (this.idle) this.#onIdle();
    return ticket;
  }
}

export function cancelled(id: string): IDunnoError {
  return new IDunnoError("CLOSED", { what: `query ${id}` });
}
