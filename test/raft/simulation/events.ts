/** Virtual time: events in the order of their time, then of their making. */
interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** Events in one millisecond: many more than a group that moves ever has. */
const standstill = 50_000;

export class Events {
  now = 0;
  #sinceMoved = 0;
  readonly #queue: Event[] = [];

  after(delay: number, run: () => void): void {
    const event = { at: this.now + delay, run };
    let i = this.#queue.length;
    for (let before = this.#queue[i - 1]; i > 0 && before !== undefined && before.at > event.at;) {
      i -= 1;
      before = this.#queue[i - 1];
    }
    this.#queue.splice(i, 0, event);
  }

  /** Runs until the condition holds; false when `ms` of virtual time pass first. */
  until(condition: () => boolean, ms: number): boolean {
    const end = this.now + ms;
    while (!condition()) {
      if (!this.#next(end)) {
        this.now = end;
        return condition();
      }
    }
    return true;
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.#next(end));
    this.now = end;
  }

  #next(end: number): boolean {
    const event = this.#queue[0];
    if (event === undefined || event.at > end) return false;
    this.#queue.shift();
    this.#sinceMoved = event.at > this.now ? 0 : this.#sinceMoved + 1;
    if (this.#sinceMoved > standstill) throw new Error("time stands still");
    this.now = event.at;
    event.run();
    return true;
  }
}
