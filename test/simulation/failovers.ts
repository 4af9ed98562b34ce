/** How long the cluster was without commits when it lost its leader: what users wait. */
export class Failovers {
  /** Virtual ms from each loss of a leader to the first commit of a later term. */
  readonly times: number[] = [];
  #lost: { readonly term: number; readonly at: number } | undefined;

  /** The leader of a term was taken away. Only the first of several losses in a row counts. */
  lost(term: number, now: number): void {
    this.#lost ??= { term, at: now };
  }

  committed(term: number, now: number): void {
    if (this.#lost === undefined || term <= this.#lost.term) return;
    this.times.push(now - this.#lost.at);
    this.#lost = undefined;
  }

  /** What follows is no fail-over: a majority is gone, say. */
  forget(): void {
    this.#lost = undefined;
  }
}
