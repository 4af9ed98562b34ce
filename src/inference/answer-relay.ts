/**
 * Answers on their way from the threads to the daemon. That of a brief query waits a few milliseconds for the next ones: each
 * message wakes a process, and beside a network of a millisecond that is a good part of what a query costs.
 *
 * Invariants
 *  A1 answers reach the daemon in the order in which threads gave them; none is told twice, and none is lost but with the
 *     process, whose end makes suspects of those that it may have begun (slots.ts);
 *  A2 only the result of a query that was sent as brief waits, {@link ANSWER_WAIT_MS} at most, and only while its thread has
 *     more than {@link REFILL_AT} others: a thread never runs dry because the daemon does not know;
 *  A3 whatever else a thread says goes at once, and what waits goes with it. So while a thread is inside a query that is not
 *     brief, or stands still, all that it had said before has been sent.
 */
import type { Clock } from "./clock.ts";
import type { FromThread, ToThread, Upward } from "./protocol.ts";

/** Twice what the briefest queries take, or thereabouts. */
export const ANSWER_WAIT_MS = 15;
/** Queries that a thread still has to run while the daemon hears and sends more. */
export const REFILL_AT = 2;

export interface AnswerRelayPorts {
  readonly clock: Pick<Clock, "after">;
  /** To the daemon, in one message. */
  readonly send: (together: readonly Upward[]) => void;
}

export class AnswerRelay {
  readonly #ports: AnswerRelayPorts;
  /** What each thread has been given and not answered, and whether it is brief. */
  readonly #held: readonly Map<string, boolean>[];
  readonly #waiting: Upward[] = [];
  #timer: ReturnType<Clock["after"]> | undefined;

  constructor(threads: number, ports: AnswerRelayPorts) {
    this.#ports = ports;
    this.#held = Array.from({ length: threads }, () => new Map<string, boolean>());
  }

  /** The daemon sends this to a thread. */
  given(slot: number, message: ToThread): void {
    if (message.kind === "run") this.#held[slot]?.set(message.id, message.brief === true);
  }

  /** A thread says this. */
  said(slot: number, message: FromThread): void {
    this.#waiting.push({ slot, message });
    if (!this.#mayWait(slot, message)) return this.#flush();
    this.#timer ??= this.#ports.clock.after(ANSWER_WAIT_MS, () => this.#flush());
  }

  #mayWait(slot: number, message: FromThread): boolean {
    const held = this.#held[slot];
    if (held === undefined || !("id" in message) || message.kind === "progress") return false;
    const isBrief = held.get(message.id) === true;
    held.delete(message.id);
    return isBrief && message.kind === "done" && held.size > REFILL_AT;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#ports.send(this.#waiting.splice(0));
  }
}
