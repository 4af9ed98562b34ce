/**
 * By how much timers come late since the node's start: what explains a false election. Node's own meter counts its
 * sampling interval as delay, and to see short delays it must wake an idle process a hundred times a second.
 */
import { createHistogram } from "node:perf_hooks";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { LoopDelay } from "./ports.ts";

/**
 * A look each: a block of an election's time-out (600 ms and more) is met by one for certain, a shorter one as likely as it would
 * be by a message. To look more often costs a busy machine more than it tells.
 */
export const lookMs = 500;
const nanosecondsPerMillisecond = 1e6;

export class LoopWatch implements LoopDelay {
  readonly #histogram = createHistogram();
  readonly #timer: Timer;

  constructor(runtime: Pick<Runtime, "every" | "now">) {
    let lastMs = runtime.now();
    this.#timer = runtime.every(lookMs, () => {
      const nowMs = runtime.now();
      const lateNs = Math.round((nowMs - lastMs - lookMs) * nanosecondsPerMillisecond);
      // Timers count whole milliseconds, so some come early; the least that a histogram takes is 1.
      this.#histogram.record(Math.max(1, lateNs));
      lastMs = nowMs;
    });
  }

  /** Nanoseconds. */
  get max(): number {
    return this.#histogram.max;
  }

  /** Nanoseconds. @param percent above 0, up to 100 */
  percentile(percent: number): number {
    return this.#histogram.percentile(percent);
  }

  close(): void {
    this.#timer.cancel();
  }
}
