/**
 * Whether small files are read in the loop's own turn. What the kernel has in its memory is there in some 20 µs, and each
 * trip to the thread pool costs several times as much; but while the disk is waited for, nothing else happens.
 *
 * Invariant: Q1 of the reads in the loop's own turn at most one in any {@link restMs} takes longer than {@link slowMs}.
 */

/** Beyond this the disk was asked, or the machine has no time: either way the pool is the place. */
export const slowMs = 2;
/** After a slow read the others go to the pool for so long. */
export const restMs = 1_000;

export class QuickReads {
  readonly #now: () => number;
  #restUntil = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds of a clock that never goes back. Default: this process's */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get mayTry(): boolean {
    return this.#now() >= this.#restUntil;
  }

  /** Reads, and takes note of how long it took. */
  try<T>(read: () => T): T {
    const began = this.#now();
    try {
      return read();
    } finally {
      const ended = this.#now();
      if (ended - began > slowMs) this.#restUntil = ended + restMs;
    }
  }
}
