/**
 * Many or one alone: ordinary queries share the executor, a query under suspicion has it for itself, so that whatever
 * ends the process then was its own doing. A suspect that waits holds newcomers back, or it would wait for ever.
 */
export class Quarantine {
  #sharing = 0;
  #alone = false;
  readonly #suspects: (() => void)[] = [];
  #others: (() => void)[] = [];

  /** Runs work beside others. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone || this.#suspects.length > 0)
      await new Promise<void>((resolve) => void this.#others.push(resolve));
    this.#sharing += 1;
    try {
      return await work();
    } finally {
      this.#sharing -= 1;
      this.#next();
    }
  }

  /** Runs work while nothing else runs. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#sharing > 0)
      await new Promise<void>((resolve) => void this.#suspects.push(resolve));
    this.#alone = true;
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#next();
    }
  }

  #next(): void {
    if (this.#alone || this.#sharing > 0) return;
    const suspect = this.#suspects.shift();
    if (suspect !== undefined) {
      this.#alone = true;
      suspect();
      return;
    }
    for (const other of this.#others.splice(0)) other();
    this.#others = [];
  }
}
