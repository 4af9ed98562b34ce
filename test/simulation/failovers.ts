/**
 * How long the cluster was without commits when it lost its leader and nothing else was wrong: what users wait. With the
 * default timings only, since others are for the simulator's sake.
 */
export class Failovers {
  /** Virtual ms from each loss of a leader to the first commit of a later term. */
  readonly times: number[] = [];
  #lost: { readonly term: number; readonly at: number } | undefined;

  /** The leader of a term was taken away. */
  lost(term: number, now: number): void {
    this.#lost = { term, at: now };
  }

  committed(term: number, now: number): void {
    if (this.#lost === undefined || term <= this.#lost.term) return;
    this.times.push(now - this.#lost.at);
    this.#lost = undefined;
  }

  /** Something else went wrong meanwhile. */
  forget(): void {
    this.#lost = undefined;
  }
}
