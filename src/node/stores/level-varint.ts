/** The variable-length numbers and strings in LevelDB's files. */

/** Reads on from where it stands; what is not there or too long throws {@link BadBytes}. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new BadBytes("a number is cut off");
      this.#at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    if (!Number.isSafeInteger(value)) throw new BadBytes("a number is too large");
    return value;
  }

  /** A string with its length before it. */
  string(): Uint8Array {
    return this.take(this.number());
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new BadBytes("a string is cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

/** Bytes that are not what LevelDB writes. The check reports it as damage. */
export class BadBytes extends Error {
  override readonly name = "BadBytes";
}
