/**
 * Virtual time for code that awaits: an event runs, then everything that it made ready to run, down to the last promise,
 * and only then does time go on. Events of one moment run in the order of their making, so a run is a function of its seed.
 */
import { Heap } from "../../src/lib/heap.ts";

export interface Event {
  readonly at: number;
  readonly order: number;
  /** undefined: cancelled. */
  run: (() => void) | undefined;
}

/** Events in one moment: many more than a cluster that moves ever has. */
const standstill = 100_000;

export class VirtualTime {
  /** Milliseconds since the start, in microseconds at the finest. */
  now = 0;
  /** Events run. */
  events = 0;
  /** Of the times of all events, in their order: two runs of a seed have the same. FNV-1a, 32 bits. */
  hash = 0x811c9dc5;
  #order = 0;
  #sinceMoved = 0;
  #failure: unknown;
  #hasFailed = false;
  readonly #queue = new Heap<Event>((a, b) => (a.at === b.at ? a.order < b.order : a.at < b.at));

  after(ms: number, run: () => void): Event {
    const at = this.now + Math.max(0, Math.round(ms * 1_000) / 1_000);
    const event: Event = { at, order: (this.#order += 1), run };
    this.#queue.push(event);
    return event;
  }

  /** Ends the run with this error, as soon as the event under way has ended. The first one counts. */
  readonly fail = (error: unknown): void => {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = error;
  };

  /** Runs until the condition holds; false when `ms` pass first. @param everyMs how often it is asked at most */
  async until(condition: () => boolean, ms: number, everyMs = 0): Promise<boolean> {
    const end = this.now + ms;
    let askAt = this.now;
    let holds = false;
    await eachSettled(() => {
      this.#throwIfFailed();
      if (this.now >= askAt) {
        holds = condition();
        if (holds) return false;
        askAt = this.now + everyMs;
      }
      if (this.#next(end)) return true;
      this.now = end;
      holds = condition();
      return false;
    });
    return holds;
  }

  async run(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  #next(end: number): boolean {
    let event = this.#queue.pop();
    while (event !== undefined && event.run === undefined) event = this.#queue.pop();
    if (event === undefined) return false;
    if (event.at > end) {
      this.#queue.push(event);
      return false;
    }
    this.#sinceMoved = event.at > this.now ? 0 : this.#sinceMoved + 1;
    if (this.#sinceMoved > standstill) throw new Error("time stands still");
    this.now = event.at;
    this.events += 1;
    this.hash = Math.imul(this.hash ^ Math.round(event.at * 1_000), 0x01000193) >>> 0;
    event.run?.();
    return true;
  }

  #throwIfFailed(): void {
    if (this.#hasFailed) throw this.#failure;
  }
}

/** Turns asked of the event loop at once. */
const together = 64;

/**
 * Takes turns until one returns false, each when no promise has anything left to do. Node empties the queue of promises
 * between two immediates of one round of its loop; a round for each turn would cost a third of the time of a run.
 */
async function eachSettled(turn: () => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let isOver = false;
    const take = (): void => {
      if (isOver) return;
      try {
        isOver = !turn();
        if (isOver) resolve();
      } catch (error) {
        isOver = true;
        reject(error);
      }
    };
    const round = (): void => {
      if (isOver) return;
      for (let turns = 0; turns < together; turns += 1) setImmediate(take);
      setImmediate(round);
    };
    round();
  });
}
