/** Lets bytes through at a bounded rate, in the order in which they were asked for. */
import type { Runtime } from "../lib/runtime.ts";
import { pause } from "./deadline.ts";

/** How often a rate of nothing is looked at again, in ms. */
const closedMs = 1_000;

export class RateLimit {
  readonly #bytesPerSecond: () => number;
  readonly #runtime: Runtime;
  /** When all that was let through has had its time, in ms of the runtime. */
  #free = 0;

  /** @param bytesPerSecond asked for each time; 0: nothing goes through, until it is more */
  constructor(bytesPerSecond: () => number, runtime: Runtime) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#runtime = runtime;
  }

  /** Resolves when these bytes may go, or at once when the signal aborts; the caller looks at the signal. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    for (let rate = this.#bytesPerSecond(); !signal.aborted; rate = this.#bytesPerSecond()) {
      if (rate <= 0) {
        await pause(this.#runtime, closedMs, signal);
        continue;
      }
      const now = this.#runtime.now();
      const start = Math.max(now, this.#free);
      this.#free = start + (bytes / rate) * 1_000;
      if (start > now) await pause(this.#runtime, start - now, signal);
      return;
    }
  }
}
