/** The runtime of a real process: Node's timers, event loop and random numbers. */
import { randomBytes } from "node:crypto";
import type { Runtime, Timer } from "../lib/runtime.ts";

export const systemRuntime: Runtime = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return timerOf(timer, () => clearTimeout(timer));
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    return timerOf(timer, () => clearInterval(timer));
  },
  soon: (run) => void setImmediate(run),
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
};

function timerOf(timer: NodeJS.Timeout, clear: () => void): Timer {
  let isOver = false;
  return {
    cancel: () => {
      isOver = true;
      clear();
    },
    // Node would wake a cleared timer by this.
    restart: () => {
      if (!isOver) timer.refresh();
    },
  };
}
