/** Virtual time for the tests of the disk alone: what is due runs one after the other, as fast as it can. */
import { Random } from "../../../src/lib/random.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

/** A test that waits for something that never happens ends after this, in ms: timers of the stores are real ones. */
const patienceMs = 20_000;

interface Due {
  readonly at: number;
  readonly run: () => void;
}

export class VirtualTime {
  #now = 0;
  readonly #due: Due[] = [];
  #turns = 0;

  get now(): number {
    return this.#now;
  }

  /** How many events have run. */
  get turns(): number {
    return this.#turns;
  }

  readonly after = (ms: number, run: () => void): void => {
    const at = this.#now + ms;
    const behind = this.#due.findLastIndex((each) => each.at <= at);
    this.#due.splice(behind + 1, 0, { at, run });
  };

  /** Lets time pass until something has come to its end, or `isOver` says so. */
  async drive<T>(work: Promise<T>, isOver: () => boolean = () => false): Promise<T | undefined> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    work.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    const startMs = performance.now();
    for (;;) {
      await new Promise(setImmediate);
      if (outcome !== undefined) break;
      if (isOver()) return undefined;
      if (performance.now() - startMs > patienceMs) throw new Error("nothing happens any more");
      this.#next();
    }
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  #next(): void {
    const next = this.#due.shift();
    if (next === undefined) return;
    this.#turns += 1;
    this.#now = next.at;
    next.run();
  }
}

/** A disk with its time. */
export function makeDisk(seed: number): {
  readonly disk: SimulatedDisk;
  readonly time: VirtualTime;
} {
  const time = new VirtualTime();
  const disk = new SimulatedDisk(
    { random: new Random(seed), after: time.after },
    { mount: "/data" },
  );
  return { disk, time };
}
