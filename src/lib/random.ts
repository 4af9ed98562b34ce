/**
 * A seeded generator: the only source of chance in the pure layers, so that a run can be repeated from its seed.
 * SplitMix32 spreads the seed, xoshiro128** (Blackman and Vigna, 2018) draws. Integers only: no float decides anything.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any integer; equal seeds give equal sequences */
  constructor(seed: number) {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1; // never all zero, which would be a fixed point
  }

  /** A uniform 32-bit unsigned integer. */
  next(): number {
    const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return result;
  }

  /** A uniform integer in [low, high], both included. Bias below 2^-20 for ranges up to 4,096. */
  between(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }

  /** True with probability numerator / denominator. */
  chance(numerator: number, denominator: number): boolean {
    return this.next() % denominator < numerator;
  }

  /** One of the items, each equally likely; undefined of an empty list. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.next() % Math.max(1, items.length)];
  }

  /** An independent generator: drawing from it does not shift this one. */
  fork(): Random {
    return new Random(this.next());
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
