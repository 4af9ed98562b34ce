/**
 * By how much timers come late since the node's start: what explains a false election. Node's own meter counts its
 * sampling interval as delay, and to see short delays it must wake an idle process a hundred times a second.
 */
import { createHistogram } from "node:perf_hooks";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { LoopDelay } from "./ports.ts";

/**
 * A look each, in the turn in which voters are looked at, too. A block that lasts longer is told, less this at most: one that
 * explains an election (600 ms) as 350 ms and more. A shorter one is seen with the probability that a message meets it.
 */
export const lookMs = 250;
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
