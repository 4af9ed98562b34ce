/**
 * The runtime of a real process: Node's timers, event loop and random numbers. Each time that a process wakes costs it a tenth
 * of a millisecond and more, so timers do not fire to find out that it is too early, and what is done every so often is done in one
 * turn of the loop, as far as periods allow.
 */
import { randomBytes } from "node:crypto";
import type { Runtime, Timer } from "../lib/runtime.ts";

export const systemRuntime: Runtime = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, wholeMs(ms));
    return timerOf(timer, () => clearTimeout(timer));
  },
  every: (ms, run) => intervals.every(ms, run),
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

/** Node cuts fractions off, and may count from up to a millisecond ago: without the second one it would come too early. */
function wholeMs(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(ms) + 1;
}

interface Interval {
  readonly ms: number;
  readonly run: () => void;
}

/**
 * Calls at the multiples of each period on the process's clock, by one timer: whatever has the same period, or a part of it,
 * comes in one turn of the loop.
 */
class Intervals {
  /** When each is to be called next. */
  readonly #due = new Map<Interval, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Infinity;

  every(ms: number, run: () => void): Timer {
    const interval = { ms, run };
    this.#plan(interval, 0);
    this.#arm();
    return {
      cancel: () => {
        this.#due.delete(interval);
        this.#arm();
      },
      restart: () => {
        if (!this.#due.has(interval)) return;
        this.#plan(interval, ms);
        this.#arm();
      },
    };
  }

  /** @param leastMs from now until it is called */
  #plan(interval: Interval, leastMs: number): void {
    const earliest = performance.now() + leastMs;
    this.#due.set(interval, (Math.floor(earliest / interval.ms) + 1) * interval.ms);
  }

  #arm(): void {
    const due = Math.min(...this.#due.values());
    if (due === this.#timerDue) return;
    clearTimeout(this.#timer);
    this.#timerDue = due;
    if (due === Infinity) return;
    this.#timer = setTimeout(() => this.#call(), wholeMs(due - performance.now()));
  }

  #call(): void {
    this.#timerDue = Infinity;
    const now = performance.now();
    const called = [...this.#due].filter(([, due]) => due <= now).map(([interval]) => interval);
    for (const interval of called) this.#plan(interval, 0);
    this.#arm();
    // Whoever is called may cancel one that comes after it.
    for (const interval of called) if (this.#due.has(interval)) interval.run();
  }
}

const intervals = new Intervals();
