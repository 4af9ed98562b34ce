/**
 * Which request is where: waiting, or held by a thread, which runs the first it holds and decodes the images
 * of the second meanwhile. No clock, no messages: the executor acts on what this says.
 */

/** What a thread holds at most: the one it runs and one to read ahead. */
export const HELD_PER_SLOT = 2;

export interface Placed<T> {
  readonly slot: number;
  readonly item: T;
}

export class Slots<T extends { readonly order: number; readonly express: boolean }> {
  /** By `order`. */
  readonly #waiting: T[] = [];
  /** One list per thread, the spare thread's last if there is one. */
  readonly #held: readonly T[][];
  /** Threads that take any request; one beyond them is the spare. */
  readonly #count: number;

  constructor(count: number, hasSpare: boolean) {
    this.#count = count;
    this.#held = Array.from({ length: count + (hasSpare ? 1 : 0) }, () => []);
  }

  get #ordinary(): readonly T[][] {
    return this.#held.slice(0, this.#count);
  }

  get waiting(): readonly T[] {
    return this.#waiting;
  }

  /** The requests that threads run. */
  heads(): readonly Placed<T>[] {
    return this.#held.flatMap(([item], slot) => (item === undefined ? [] : [{ slot, item }]));
  }

  /** The requests that threads hold but have not begun. */
  ahead(): readonly Placed<T>[] {
    return this.#held.flatMap(([, ...rest], slot) => rest.map((item) => ({ slot, item })));
  }

  slotOf(item: T): number | undefined {
    const slot = this.#held.findIndex((held) => held.includes(item));
    return slot === -1 ? undefined : slot;
  }

  /** Lets it wait, in its order: one that comes back goes before those that came later. */
  add(item: T): void {
    const after = this.#waiting.findLastIndex(({ order }) => order < item.order);
    this.#waiting.splice(after + 1, 0, item);
  }

  /** Takes it out, wherever it is. */
  remove(item: T): void {
    for (const list of [this.#waiting, ...this.#held]) {
      const at = list.indexOf(item);
      if (at !== -1) list.splice(at, 1);
    }
  }

  /** Gives waiting requests to threads: an express one to the spare, the others to idle ones first, then one ahead to each. */
  assign(): readonly Placed<T>[] {
    const placed: Placed<T>[] = this.#assignExpress();
    for (let depth = 1; depth <= HELD_PER_SLOT; depth += 1)
      for (const [slot, held] of this.#ordinary.entries()) {
        const item = held.length < depth ? this.#waiting.shift() : undefined;
        if (item === undefined) continue;
        held.push(item);
        placed.push({ slot, item });
      }
    return placed;
  }

  /** The spare thread takes one express request at a time, and only when no other thread could begin it at once. */
  #assignExpress(): Placed<T>[] {
    const spare = this.#held[this.#count];
    if (spare === undefined || spare.length > 0) return [];
    if (this.#ordinary.some((held) => held.length === 0)) return [];
    const at = this.#waiting.findIndex(({ express }) => express);
    const [item] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (item === undefined) return [];
    spare.push(item);
    return [{ slot: this.#count, item }];
  }

  /** The oldest request held ahead by a busy thread while another is idle and nothing waits. */
  misplaced(): Placed<T> | undefined {
    if (this.#waiting.length > 0 || !this.#ordinary.some((held) => held.length === 0))
      return undefined;
    const ahead = this.ahead();
    return ahead.reduce<Placed<T> | undefined>(
      (oldest, placed) =>
        oldest === undefined || placed.item.order < oldest.item.order ? placed : oldest,
      undefined,
    );
  }

  /** The threads are gone: empties them and says what they ran and what they held ahead. */
  lose(): { readonly begun: readonly T[]; readonly notBegun: readonly T[] } {
    const begun = this.heads().map(({ item }) => item);
    const notBegun = this.ahead().map(({ item }) => item);
    for (const held of this.#held) held.length = 0;
    return { begun, notBegun };
  }
}
