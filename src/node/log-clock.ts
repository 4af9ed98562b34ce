/**
 * Log time: the last stamp plus the monotonic time that passed since it was seen. At the leader, where stamps are made, it
 * never goes back. It starts at the wall clock of the cluster's first stamp, for the eye only.
 */
import type { Runtime } from "../lib/runtime.ts";
import { LogTime } from "../lib/types.ts";

export class LogClock {
  readonly #clock: Pick<Runtime, "now">;
  #stamp: number;
  #seenAt: number;
  #leads = false;

  /** @param last the newest stamp in the state; 0 when there is none */
  constructor(clock: Pick<Runtime, "now">, last: LogTime, wallMs: number) {
    this.#clock = clock;
    this.#stamp = last === 0 ? wallMs : last;
    this.#seenAt = clock.now();
  }

  /** The present log time, as this node knows it. */
  now(): LogTime {
    return LogTime(Math.floor(this.#stamp + this.#clock.now() - this.#seenAt));
  }

  /**
   * A stamp was applied. A leader is never behind it; whoever follows goes by it, also backwards: its own clock may have
   * jumped ahead, and the time of a key that it gives out would then be refused by everybody.
   */
  observe(stamp: LogTime): void {
    if (this.#leads && stamp <= this.now()) return;
    this.#stamp = stamp;
    this.#seenAt = this.#clock.now();
  }

  /** This node leads from now on: its clock is the cluster's. */
  lead(): void {
    this.#leads = true;
  }

  /** This node stops leading: only stamps of others move its time faster than the clock now. */
  settle(applied: LogTime): void {
    this.#leads = false;
    if (applied === 0) return;
    this.#stamp = applied;
    this.#seenAt = this.#clock.now();
  }
}
