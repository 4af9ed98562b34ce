/**
 * The answered operations that are still to be placed, as a list of calls and returns in the order of time from which a
 * placed operation is taken out and put back in constant time. Which may come next is read off its front: those called
 * before the first return, since whatever comes after that return comes after an operation that has not come yet.
 */
export class Timeline {
  readonly #size: number;
  readonly #returns: readonly number[];
  /** Links between events: the call of operation i is event i, its return `size + i`, and the ring's ends meet in `2 size`. */
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;

  /** Operations must come in the order of their calls. */
  constructor(operations: readonly { readonly call: number; readonly return: number }[]) {
    for (const { call, return: end } of operations)
      if (end < call) throw new Error(`an operation called at ${call} returned at ${end}`);
    this.#size = operations.length;
    this.#returns = operations.map((operation) => operation.return);
    const times = [...operations.map(({ call }) => call), ...this.#returns];
    const ends = times.length;
    // Sorting is stable, and calls were first: of equal times the calls come before the returns, so that operations
    // which meet in a moment overlap.
    const order = [...times.keys()].sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0));
    this.#next = new Uint32Array(ends + 1);
    this.#previous = new Uint32Array(ends + 1);
    let last = ends;
    for (const event of [...order, ends]) {
      this.#next[last] = event;
      this.#previous[event] = last;
      last = event;
    }
  }

  /** The operations of which any may be the next, and when the first of them was answered: nothing later may be. */
  front(): { readonly operations: readonly number[]; readonly until: number } {
    const operations: number[] = [];
    let event = this.#after(2 * this.#size);
    for (; event < this.#size; event = this.#after(event)) operations.push(event);
    return { operations, until: this.#returns[event - this.#size] ?? Infinity };
  }

  take(operation: number): void {
    this.#unlink(operation);
    this.#unlink(this.#size + operation);
  }

  /** Only the operation that was taken last may be put back. */
  putBack(operation: number): void {
    this.#relink(this.#size + operation);
    this.#relink(operation);
  }

  #after(event: number): number {
    return this.#next[event] ?? 0;
  }

  #unlink(event: number): void {
    const next = this.#after(event);
    const previous = this.#previous[event] ?? 0;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /** What was taken out still knows its neighbours (Knuth's dancing links). */
  #relink(event: number): void {
    this.#next[this.#previous[event] ?? 0] = event;
    this.#previous[this.#after(event)] = event;
  }
}
