/**
 * Where a search has been (Lowe, "Testing for linearizability", 2017): the same operations placed, in whatever order,
 * and the same state lead to the same end. One step further than that: of two such places the one that has spent fewer
 * operations of unknown outcome can do all that the other can, so that the other need not be looked at.
 */
import { Random } from "../../../src/lib/random.ts";
import { Bits } from "./bits.ts";

/** Which operations have been placed, with a hash that costs nothing to keep (Zobrist, 1970). */
export class Placed {
  readonly #bits: Bits;
  readonly #hashes: Uint32Array;
  #hash = 0;
  count = 0;

  constructor(size: number) {
    this.#bits = Bits.ofSize(size);
    // Any fixed seed will do: equal hashes of different sets are told apart by the sets.
    const random = new Random(1);
    this.#hashes = Uint32Array.from({ length: size }, () => random.next());
  }

  get bits(): Bits {
    return this.#bits;
  }

  get hash(): number {
    return this.#hash;
  }

  has(n: number): boolean {
    return this.#bits.has(n);
  }

  add(n: number): void {
    this.#toggle(n);
    this.count += 1;
  }

  remove(n: number): void {
    this.#toggle(n);
    this.count -= 1;
  }

  #toggle(n: number): void {
    this.#bits.toggle(n);
    this.#hash = (this.#hash ^ (this.#hashes[n] ?? 0)) >>> 0;
  }
}

interface Visit {
  readonly answered: Bits;
  readonly open: Bits;
}

export class Memo {
  readonly #visits = new Map<string, Map<number, Visit[]>>();

  /** Notes a place; false when it leads nowhere that was not reached before. */
  isNew(answered: Placed, open: Placed, state: string): boolean {
    const ofState = this.#visits.get(state) ?? new Map<number, Visit[]>();
    const visits = ofState.get(answered.hash) ?? [];
    const isKnown = visits.some(
      (visit) => visit.open.isWithin(open.bits) && visit.answered.equals(answered.bits),
    );
    if (isKnown) return false;
    visits.push({ answered: answered.bits.copy(), open: open.bits.copy() });
    ofState.set(answered.hash, visits);
    this.#visits.set(state, ofState);
    return true;
  }
}
