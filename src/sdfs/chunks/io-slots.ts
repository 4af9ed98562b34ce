/**
 * How many file operations and hashes may be under way at once. They all run on libuv's pool, which LevelDB's fsync
 * needs as well: whoever takes all of it delays commits.
 */
import { IDunnoError } from "../../lib/errors.ts";
import { assert } from "../../lib/types.ts";

/** Operations that wait for a slot. Each may hold a chunk: 1 GiB at the very worst, and seconds of work for a disk. */
const maxWaiting = 256;

export class IoSlots {
  readonly #slots: number;
  readonly #waiting: (() => void)[] = [];
  #used = 0;

  /** @param slots at most half of `UV_THREADPOOL_SIZE` */
  constructor(slots: number) {
    assert(Number.isInteger(slots) && slots > 0, "there is at least one slot for chunk I/O");
    this.#slots = slots;
  }

  /**
   * Does the work in a slot of its own. It must not wait for another slot meanwhile.
   * @throws IDunnoError BUSY when too many wait already
   */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(work, maxWaiting);
  }

  /** Like {@link run}, for work that must not be turned away and of which there is little by nature. */
  runAlways<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(work, Number.POSITIVE_INFINITY);
  }

  async #run<T>(work: () => Promise<T>, limit: number): Promise<T> {
    if (this.#used < this.#slots) this.#used += 1;
    else await this.#turn(limit);
    try {
      return await work();
    } finally {
      // The slot goes straight to the next in line, so that nobody can overtake.
      const next = this.#waiting.shift();
      if (next === undefined) this.#used -= 1;
      else next();
    }
  }

  #turn(limit: number): Promise<void> {
    if (this.#waiting.length >= limit) {
      throw new IDunnoError("BUSY", { what: "the queue for chunk I/O", limit });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
