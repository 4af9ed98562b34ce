/**
 * One process's use of a disk. Its calls take effect some time after they were made; when the process ends, what is under
 * way happens or does not, and nobody hears of it any more.
 */
import type { Random } from "../../../src/lib/random.ts";

export interface DiskFaults {
  /** Milliseconds that a call takes, from and to. */
  diskMs: readonly [least: number, most: number];
  /** A slow disk: so many times longer. */
  slowFactor: number;
  /** Every write fails with ENOSPC. */
  isFull: boolean;
  /** So many of the next syncs fail with EIO. */
  syncFailures: number;
  /** A loss of power may leave a damaged record in LevelDB's log where a batch was under way, and not only cut it off. */
  tearsBatches: boolean;
}

export interface DiskPorts {
  readonly random: Random;
  /** Runs something after some virtual time. */
  readonly after: (ms: number, run: () => void) => void;
}

/** One call in a hundred takes so many times longer: arbitrary, as what a disk does beside. */
const hiccup = { oneIn: 100, factor: 10 };

export class DiskLife {
  readonly faults: DiskFaults;
  readonly random: Random;
  readonly #after: DiskPorts["after"];
  readonly #underWay = new Set<{ readonly cutShort: () => void }>();
  #isOver = false;

  constructor(faults: DiskFaults, { random, after }: DiskPorts) {
    this.faults = faults;
    this.random = random;
    this.#after = after;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Does something after the time that the disk takes.
   * @param cutShort done instead, by chance, when the process ends before
   */
  run(work: () => void, cutShort: () => void = () => undefined): void {
    if (this.#isOver) return;
    const call = { cutShort };
    this.#underWay.add(call);
    this.#after(this.#latencyMs(), () => {
      if (this.#isOver) return;
      this.#underWay.delete(call);
      work();
    });
  }

  /** The same, with an outcome. It never settles when the process ends before. */
  async call<T>(work: () => T, cutShort?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.run(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      }, cutShort);
    });
  }

  /** A call that changes something at once: cut short, it is done or not. */
  async change(work: () => void): Promise<void> {
    return this.call(work, () => {
      try {
        work();
      } catch {
        // It would have failed, with nobody to hear of it.
      }
    });
  }

  /** Whether this sync is one that fails. */
  takeSyncFailure(): boolean {
    if (this.faults.syncFailures === 0) return false;
    this.faults.syncFailures -= 1;
    return true;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { cutShort } of this.#underWay) if (this.random.chance(1, 2)) cutShort();
    this.#underWay.clear();
  }

  #latencyMs(): number {
    const [least, most] = this.faults.diskMs;
    const { random } = this;
    const ms = random.between(Math.round(least * 1_000), Math.round(most * 1_000)) / 1_000;
    const factor = random.chance(1, hiccup.oneIn) ? hiccup.factor : 1;
    return ms * factor * this.faults.slowFactor;
  }
}

const reasons = {
  ENOENT: "no such file or directory",
  ENOTEMPTY: "directory not empty",
  ENOTDIR: "not a directory",
  EISDIR: "illegal operation on a directory",
  EBADF: "bad file descriptor",
  EIO: "i/o error",
  ENOSPC: "no space left on device",
} as const;

/** An error as the system makes it. */
export function systemError(code: keyof typeof reasons, call: string): Error {
  return Object.assign(new Error(`${code}: ${reasons[code]}, ${call}`), { code });
}
