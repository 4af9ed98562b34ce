/**
 * The invariants of answers on their way out of an executor process, by their numbers in inference/answer-relay.ts, seen from
 * outside: what its threads are given and say, and what is sent to the daemon when.
 *
 *  A1 what threads say is sent in the order in which they said it, once;
 *  A2 only results of brief queries wait, so long at most, and only while their thread holds enough others;
 *  A3 whatever else a thread says is sent at once, and what waits with it.
 */
import { ANSWER_WAIT_MS, REFILL_AT } from "../../../src/inference/answer-relay.ts";
import type { FromThread, ToThread, Upward } from "../../../src/inference/protocol.ts";
import type { VirtualTime } from "../virtual-time.ts";

/** Sums of virtual times are not exact, ms. */
const rounding = 0.01;

/** How often it came to it. */
export interface AnswerCounts {
  /** Results that waited for others. */
  waited: number;
}

export interface AnswerPorts {
  readonly counts: AnswerCounts;
  readonly time: VirtualTime;
  /** Whether the process can still send. */
  readonly isAlive: () => boolean;
}

export class AnswerChecks {
  readonly #ports: AnswerPorts;
  /** What each thread has in hand, and whether it is brief. */
  readonly #held: readonly Map<string, boolean>[];
  readonly #unsent: Upward[] = [];

  constructor(threads: number, ports: AnswerPorts) {
    this.#ports = ports;
    this.#held = Array.from({ length: threads }, () => new Map<string, boolean>());
  }

  given(slot: number, message: ToThread): void {
    if (message.kind === "run") this.#held[slot]?.set(message.id, message.brief === true);
  }

  /** @param tell hands it to the relay */
  said(slot: number, message: FromThread, tell: () => void): void {
    const { counts, time, isAlive } = this.#ports;
    const mayWait = this.#mayWait(slot, message);
    const said: Upward = { slot, message };
    this.#unsent.push(said);
    tell();
    if (this.#unsent.length === 0) return;
    const { kind } = message;
    if (!mayWait) {
      const rule = kind === "done" ? "A2" : "A3";
      return this.#fail(`${rule}: what slot ${slot} says waits: ${kind}`);
    }
    counts.waited += 1;
    time.after(ANSWER_WAIT_MS + rounding, () => {
      if (this.#unsent.includes(said) && isAlive())
        this.#fail(`A2: a result of slot ${slot} waits for more than ${ANSWER_WAIT_MS} ms`);
    });
  }

  sent(together: readonly Upward[]): void {
    for (const { slot, message } of together) {
      const next = this.#unsent.shift();
      if (next?.slot !== slot || next.message !== message)
        this.#fail(
          `A1: ${message.kind} of slot ${slot} is sent in place of ${next?.message.kind ?? "nothing"}`,
        );
    }
  }

  /** What a query ends with is the last that its thread says of it. */
  #mayWait(slot: number, message: FromThread): boolean {
    const held = this.#held[slot];
    if (held === undefined || !("id" in message) || message.kind === "progress") return false;
    const isBrief = held.get(message.id) === true;
    held.delete(message.id);
    return message.kind === "done" && isBrief && held.size > REFILL_AT;
  }

  #fail(text: string): void {
    this.#ports.time.fail(new Error(text));
  }
}
