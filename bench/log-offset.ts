/**
 * Log time on this process's clock. An entry is seen after it was stamped, later by what its commit and the look took: by how
 * little that was once, log time lies behind at most. So a moment that is told in log time is never told early, and late by the
 * quickest commit, not by the slowest: a disk may take 200 ms for one of them.
 */
export class LogOffset {
  /** By term, since a new leader goes on with a clock of its own. Milliseconds. */
  readonly #least = new Map<number, number>();

  /**
   * An entry of this term was seen.
   * @param atMs its stamp, in log time
   * @param seenMs on this process's clock
   */
  saw(term: number, atMs: number, seenMs: number): void {
    this.#least.set(term, Math.min(this.#least.get(term) ?? Infinity, seenMs - atMs));
  }

  /** When it was that a leader of this term, of which an entry has been seen, stamped something with `atMs`. NaN: none has been. */
  here(term: number, atMs: number): number {
    return atMs + (this.#least.get(term) ?? NaN);
  }
}
