/**
 * How long a request may still take. What moves bytes extends it at each piece, and waiting for the caller's own
 * source holds it, so that the limit is on the silence of a node and a large file may take as long as it needs.
 */
export class Deadline {
  readonly timeoutMs: number;
  readonly #startMs = performance.now();
  #endMs: number;
  #held = false;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
    this.#endMs = this.#startMs + timeoutMs;
  }

  get remainingMs(): number {
    return this.#held ? this.timeoutMs : this.#endMs - performance.now();
  }

  get elapsedMs(): number {
    return Math.round(performance.now() - this.#startMs);
  }

  /** Something moved: the whole time is there again. */
  extend(): void {
    this.#endMs = performance.now() + this.timeoutMs;
  }

  /** Stops the clock while `work` is under way, then extends. */
  async holding<T>(work: () => Promise<T>): Promise<T> {
    this.#held = true;
    try {
      return await work();
    } finally {
      this.#held = false;
      this.extend();
    }
  }

  /**
   * Aborts `connection` when the node stays silent, `withinMs` from now or later by as much as the deadline is
   * extended meanwhile, or when the caller aborts.
   * @returns ends the watch
   */
  watch(
    connection: AbortController,
    { withinMs, signal }: { withinMs: number; signal: AbortSignal | undefined },
  ): () => void {
    const reserveMs = Math.max(0, this.remainingMs - withinMs);
    const check = (): void => {
      const leftMs = this.remainingMs - reserveMs;
      if (leftMs <= 0) connection.abort(new Silence());
      else timer = setTimeout(check, leftMs);
    };
    let timer = setTimeout(check, Math.max(0, withinMs));
    const abort = (): void => connection.abort(signal?.reason);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  }
}

/** The reason of an abort when a node said nothing for too long. */
export class Silence extends Error {
  override readonly name = "Silence";
}
