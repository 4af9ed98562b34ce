/**
 * Which request is where: waiting, or held by a thread, which runs the first it holds and decodes the images
 * of the next meanwhile; and which thread yields to a newcomer. No clock, no messages: the executor acts on
 * what this says.
 *
 * Invariants of yielding (decision 19)
 *  Y1 at most one slot yields, and only to the request on the spare thread, which has not finished a micro-batch;
 *  Y2 a beginning on the spare thread makes one slot yield, or none; one that waits for the spare thread makes none;
 *  Y3 no slot is made to yield while it runs an express request, or while another has nothing to run;
 *  Y4 what a slot holds stays with it while it yields: nothing is lost, and nothing begun is begun anew.
 */

/** What a thread holds at most: the one it runs and one to read ahead. */
export const HELD_PER_SLOT = 2;
/** But so many while those that it holds are brief. */
export const BRIEF_PER_SLOT = 8;

export interface Placed<T> {
  readonly slot: number;
  readonly item: T;
}

export interface Slotted {
  /** Of arrival. */
  readonly order: number;
  readonly express: boolean;
  /** Its answer may be on its way while the thread runs what comes next. */
  readonly brief: boolean;
  /** Whose share of the machine it counts to. */
  readonly job: string;
  /** It ends at its next micro-batch boundary. */
  readonly cancelled: boolean;
}

/** A slot that stands still at its next micro-batch boundary, so that `by` has its core. */
export interface Yield<T> {
  readonly slot: number;
  readonly by: T;
  /** Its thread has said that it stands. Until then it is inside the network, or will never say so. */
  readonly stopped: boolean;
}

export class Slots<T extends Slotted> {
  /** By `order`. */
  readonly #waiting: T[] = [];
  /** One list per thread, the spare thread's last if there is one. */
  readonly #held: readonly T[][];
  /** Threads that take any request; one beyond them is the spare. */
  readonly #count: number;
  #yield: Yield<T> | undefined;
  /** The slot whose thread has said that it stands, until it has been told to go on: not that of a process that is gone. */
  #standing: number | undefined;

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

  /** The slot that is to yield now. */
  get yielding(): Yield<T> | undefined {
    return this.#yield;
  }

  /** The requests that threads run. */
  heads(): readonly Placed<T>[] {
    return this.#held.flatMap(([item], slot) => (item === undefined ? [] : [{ slot, item }]));
  }

  /** The requests that threads hold behind the first. Behind a brief one they may have begun. */
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
    this.resume(item);
    for (const list of [this.#waiting, ...this.#held]) {
      const at = list.indexOf(item);
      if (at !== -1) list.splice(at, 1);
    }
  }

  /** Gives waiting requests to threads: to idle ones first, a newcomer to the spare, then ahead to each. */
  assign(): readonly Placed<T>[] {
    const hasSpare = this.#held.length > this.#count;
    const before = this.#yield;
    const placed = [...this.#assignUpTo(1, !hasSpare), ...this.#assignExpress()];
    // One that the spare thread has no room for.
    placed.push(...this.#assignUpTo(1, true));
    for (let depth = 2; depth <= BRIEF_PER_SLOT && this.#waiting.length > 0; depth += 1)
      placed.push(...this.#assignUpTo(depth, !hasSpare));
    if (this.#yield !== before) this.endYieldBesideIdle();
    return placed;
  }

  /** A slot has nothing to run: it is idle if nothing comes to it soon. */
  get hasIdle(): boolean {
    return this.#ordinary.some((held) => held.length === 0);
  }

  /** A slot is idle: the newcomer has its core. */
  endYieldBesideIdle(): void {
    if (this.hasIdle) this.#yield = undefined;
  }

  /**
   * So many to each slot. A newcomer is not held ahead: what runs there may take long, and the spare thread be idle before.
   * An idle slot has it only while the spare thread has another.
   */
  #assignUpTo(depth: number, newcomersToo: boolean): Placed<T>[] {
    const placed: Placed<T>[] = [];
    for (const [slot, held] of this.#ordinary.entries()) {
      if (held.length >= depth) continue;
      if (held.length >= HELD_PER_SLOT && !held.every(({ brief }) => brief)) continue;
      const at = this.#waiting.findIndex(({ express }) => newcomersToo || !express);
      const [item] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (item === undefined) break;
      held.push(item);
      placed.push({ slot, item });
    }
    return placed;
  }

  /** The thread of `slot` stands still for the request of this `order`; a word of an earlier yield is ignored. */
  stopped(slot: number, order: number): void {
    const now = this.#yield;
    if (now?.slot !== slot || now.by.order !== order) return;
    this.#yield = { ...now, stopped: true };
    this.#standing = slot;
  }

  /** Its thread has been told to go on. */
  goesOn(slot: number): void {
    if (this.#standing === slot) this.#standing = undefined;
  }

  /** `by` has had its first micro-batch, or its time: the slot that yielded to it goes on. */
  resume(by: T): void {
    if (this.#yield?.by === by) this.#yield = undefined;
  }

  /**
   * The spare thread takes one express request at a time, also while a slot is idle: that may be so for a moment only, between
   * two pieces, and a newcomer's first query would hold the slot to its end.
   */
  #assignExpress(): Placed<T>[] {
    const spare = this.#held[this.#count];
    if (spare === undefined || spare.length > 0) return [];
    const at = this.#waiting.findIndex(({ express }) => express);
    const [item] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (item === undefined) return [];
    spare.push(item);
    const slot = this.#busiest();
    this.#yield = slot === undefined ? undefined : { slot, by: item, stopped: false };
    return [{ slot: this.#count, item }];
  }

  /** The slot of the job that runs in most slots, then holds most requests here, then began first. */
  #busiest(): number | undefined {
    const slotsOf = new Map<string, number>();
    const heldOf = new Map<string, number>();
    for (const held of this.#ordinary)
      for (const [depth, { job }] of held.entries()) {
        if (depth === 0) slotsOf.set(job, (slotsOf.get(job) ?? 0) + 1);
        heldOf.set(job, (heldOf.get(job) ?? 0) + 1);
      }
    const load = (of: Map<string, number>, { item }: Placed<T>): number => of.get(item.job) ?? 0;
    return this.heads()
      .filter(({ slot, item }) => slot < this.#count && !item.express && !item.cancelled)
      .toSorted(
        (a, b) =>
          load(slotsOf, b) - load(slotsOf, a) ||
          load(heldOf, b) - load(heldOf, a) ||
          a.item.order - b.item.order,
      )[0]?.slot;
  }

  /** The oldest request held ahead by a busy thread while another is idle and nothing waits. */
  misplaced(): Placed<T> | undefined {
    if (this.#waiting.length > 0 || !this.hasIdle) return undefined;
    const ahead = this.ahead();
    return ahead.reduce<Placed<T> | undefined>(
      (oldest, placed) =>
        oldest === undefined || placed.item.order < oldest.item.order ? placed : oldest,
      undefined,
    );
  }

  /**
   * The threads are gone: empties them and says what may have been inside a network and what was not. A thread that stood
   * still was not, so what it had begun is as innocent as what is held ahead. Behind a brief one, whose answer may have been
   * on its way, the next may have been begun, too.
   */
  lose(): { readonly begun: readonly T[]; readonly notBegun: readonly T[] } {
    const stands = this.#standing;
    const begun: T[] = [];
    const notBegun: T[] = [];
    for (const [slot, held] of this.#held.entries()) {
      const unfinished = held.findIndex(({ brief }) => !brief);
      const reached = unfinished < 0 ? held.length : unfinished + 1;
      const count = slot === stands ? 0 : reached;
      begun.push(...held.slice(0, count));
      notBegun.push(...held.slice(count));
      held.length = 0;
    }
    this.#yield = undefined;
    this.#standing = undefined;
    return { begun, notBegun };
  }
}
