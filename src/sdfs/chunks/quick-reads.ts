/**
 * Whether small files are read in the loop's own turn. What the kernel has in its memory is there in some 20 µs, and each
 * trip to the thread pool costs several times as much; but while the disk is waited for, nothing else happens.
 *
 * Invariant: Q1 a turn of the loop in which such reads take longer than {@link slowMs} together ends with the read that did
 * so, and none follows for {@link restMs}: of a second, no more than that and one read's time is lost to them.
 */

/** Beyond this the disk was asked, or the machine has no time: either way the pool is the place. */
export const slowMs = 2;
/** After a slow turn the others go to the pool for so long. */
export const restMs = 1_000;

export interface QuickReadsPorts {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Runs in another turn of the loop. */
  readonly soon: (run: () => void) => void;
}

export class QuickReads {
  readonly #ports: QuickReadsPorts;
  /** What reading has taken in this turn. */
  #turnMs = 0;
  #restUntil = Number.NEGATIVE_INFINITY;

  /** @param ports default: this process's clock and loop */
  constructor(ports: QuickReadsPorts = { now: () => performance.now(), soon: setImmediate }) {
    this.#ports = ports;
  }

  get mayTry(): boolean {
    return this.#ports.now() >= this.#restUntil;
  }

  /** Reads, and takes note of how long it took. */
  try<T>(read: () => T): T {
    const { now, soon } = this.#ports;
    if (this.#turnMs === 0) soon(() => (this.#turnMs = 0));
    const began = now();
    try {
      return read();
    } finally {
      const ended = now();
      this.#turnMs += ended - began;
      if (this.#turnMs > slowMs) this.#restUntil = ended + restMs;
    }
  }
}
