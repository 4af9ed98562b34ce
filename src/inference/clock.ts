/**
 * What inference takes of lib/runtime.ts: time, and turns of the event loop. Whoever waits or measures between a query's
 * call and its answer does it through this, so that hand-out, preemption and threads run on virtual time, too.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";

export interface Clock extends Pick<Runtime, "now" | "soon"> {
  after(ms: number, run: () => void): Pick<Timer, "cancel">;
}

/** A process's own. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (run) => void setImmediate(run),
};
