/** A set of small numbers, one bit for each: cheap to copy and to compare. */
export class Bits {
  readonly #words: Uint32Array;

  private constructor(words: Uint32Array) {
    this.#words = words;
  }

  /** The empty set, for numbers below `size`. */
  static ofSize(size: number): Bits {
    return new Bits(new Uint32Array(Math.ceil(size / 32)));
  }

  has(n: number): boolean {
    return ((this.#words[n >>> 5] ?? 0) & (1 << (n & 31))) !== 0;
  }

  /** Takes the number in when it is not there, and out when it is. */
  toggle(n: number): void {
    this.#words[n >>> 5] = (this.#words[n >>> 5] ?? 0) ^ (1 << (n & 31));
  }

  copy(): Bits {
    return new Bits(this.#words.slice());
  }

  equals(other: Bits): boolean {
    return this.#words.every((word, i) => word === other.#words[i]);
  }

  isWithin(other: Bits): boolean {
    return this.#words.every((word, i) => (word & ~(other.#words[i] ?? 0)) === 0);
  }
}
