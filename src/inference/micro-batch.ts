/**
 * How many images one run of the network gets. A run cannot be interrupted, so it should take about 50 ms: then
 * a cancel or another job waits no longer. Larger runs are used only where they are measured to be cheaper per
 * image, which is not a matter of course: MobileNet V2 on one thread is faster one by one. For a network of a
 * millisecond it is what surrounds a run that makes larger ones cheaper.
 *
 * Sizes are powers of two, tried in turn from 1. Results must not depend on the choice, since clocks decide it:
 * the first run of each size is therefore a trial, whose caller also runs the images one by one and compares.
 * What was found is shared between threads and kept (findings.ts), since it is a property of network and CPU.
 */

/** What one run may take. */
const RUN_TARGET_MS = 50;
/** Beyond 8 no network tried became cheaper per image. */
export const MAX_MICRO_BATCH = 8;
/** The least of so many runs counts, since noise only ever adds: the longer a run, the likelier it is interrupted. */
export const RUNS_PER_SIZE = 12;
/** A larger size must be cheaper per image by this factor to be worth a longer wait for others. */
const WORTH = 0.95;
/** A run as short as this delays nobody: with what it costs beside the network, a larger size need only be as cheap. */
const SHORT_RUN_MS = 8;
/**
 * What each run costs beside the network: a call, a turn of the loop, a wait for the decoder. 0.4 to 0.9 ms were measured
 * between runs of one and of eight images; beside a network of a millisecond that decides.
 */
const AROUND_RUN_MS = 0.5;

export class MicroBatch {
  #size = 1;
  /** The largest size whose trial has been passed. */
  #trusted = 1;
  #settled: boolean;
  #runs = 0;
  #leastMs = Infinity;
  /** The least of the size before, half of this one. */
  #halfMs = Infinity;

  readonly #max: number;
  /** Called with the size once it is measured, not when it is adopted. */
  onFound: (size: number) => void = () => undefined;

  /** @param max 1 for a network that takes one image only */
  constructor(max: number = MAX_MICRO_BATCH) {
    this.#max = max;
    this.#settled = max <= 1;
  }

  /** How many images to gather for the next run. */
  get size(): number {
    return this.#size;
  }

  /** Whether the next run of `size` must be compared with single runs. */
  isTrial(size: number): boolean {
    return size > this.#trusted;
  }

  /** Takes over what was found elsewhere, unless this one has found its own; more than the network takes is ignored. */
  adopt(size: number): void {
    if (this.#settled || size > this.#max) return;
    this.#trusted = Math.max(this.#trusted, size);
    this.#size = size;
    this.#settled = true;
  }

  /** The trial's answers were bitwise equal, or not. */
  tried(size: number, equal: boolean): void {
    if (equal) this.#trusted = size;
    else this.#settle(size / 2);
  }

  /** Reports a run that took `ms`. Runs of other sizes, as at a query's end, teach nothing. */
  ran(size: number, ms: number): void {
    if (this.#settled || size !== this.#size) return;
    this.#runs += 1;
    this.#leastMs = Math.min(this.#leastMs, ms);
    if (this.#runs < RUNS_PER_SIZE) return;
    if (size > 1 && !isWorth(this.#leastMs, this.#halfMs)) return this.#settle(size / 2);
    if (size >= this.#max || this.#leastMs * 2 > RUN_TARGET_MS) return this.#settle(size);
    this.#halfMs = this.#leastMs;
    this.#size = size * 2;
    this.#runs = 0;
    this.#leastMs = Infinity;
  }

  #settle(size: number): void {
    this.#size = size;
    this.#settled = true;
    this.onFound(size);
  }
}

/** Whether a run is better than two of half its size, of which each takes `halfMs`. */
function isWorth(runMs: number, halfMs: number): boolean {
  const twoMs = 2 * halfMs;
  // As short as the two, or in fact: what an interrupted run took says little.
  if (Math.min(runMs, twoMs) <= SHORT_RUN_MS) return runMs <= twoMs + AROUND_RUN_MS;
  return runMs <= Math.min(twoMs * WORTH, RUN_TARGET_MS);
}

/** Splits `count` gathered images into runs: the largest powers of two first, none above `size`. */
export function runsFor(count: number, size: number): number[] {
  const runs: number[] = [];
  for (let left = count, run = size; left > 0; run /= 2)
    for (; run <= left; left -= run) runs.push(run);
  return runs;
}
