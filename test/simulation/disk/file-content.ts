/**
 * The bytes of one file twice: as processes see them, and as a loss of power would leave them. A sync carries over what
 * was written in between; a loss of power carries over any part of it.
 */
import type { Random } from "../../../src/lib/random.ts";

/** What a disk writes whole or not at all, at best. */
const sectorBytes = 512;

type Change =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate" };

export class FileContent {
  readonly kind = "file";
  #seen: Buffer;
  #durable: Buffer;
  #unsynced: Change[] = [];

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#seen = Buffer.from(bytes);
    this.#durable = Buffer.from(bytes);
  }

  get bytes(): Buffer {
    return this.#seen;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#change({ kind: "write", at, bytes: Buffer.from(bytes) });
  }

  truncate(): void {
    this.#change({ kind: "truncate" });
  }

  #change(change: Change): void {
    this.#seen = changed(this.#seen, change);
    this.#unsynced.push(change);
  }

  sync(): void {
    for (const change of this.#unsynced) this.#durable = changed(this.#durable, change);
    this.#unsynced = [];
  }

  /** What was to be synced is seen on, and no later sync will write it. */
  failSync(): void {
    this.#unsynced = [];
  }

  /** Each change since the last sync is kept, dropped or torn, whatever becomes of the others. */
  losePower(random: Random): void {
    for (const change of this.#unsynced)
      if (change.kind === "write" && random.chance(1, 2)) this.#tear(change, random);
      else if (random.chance(1, 2)) this.#durable = changed(this.#durable, change);
    this.#unsynced = [];
    this.#seen = Buffer.from(this.#durable);
  }

  /** Each sector is written, left as it was, or holds neither. */
  #tear({ at, bytes }: Extract<Change, { kind: "write" }>, random: Random): void {
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + sectorBytes - ((at + from) % sectorBytes));
      const fate = random.between(0, 2);
      const piece = Buffer.from(bytes.subarray(from, to));
      if (fate === 2) for (let i = 0; i < piece.length; i += 1) piece[i] = random.between(0, 255);
      if (fate > 0)
        this.#durable = changed(this.#durable, { kind: "write", at: at + from, bytes: piece });
      from = to;
    }
  }

  /** Flips a bit of what is durable. Says where; undefined: there is nothing. */
  flipBit(random: Random): number | undefined {
    if (this.#durable.length === 0) return undefined;
    const at = random.between(0, this.#durable.length - 1);
    const bit = 1 << random.between(0, 7);
    for (const bytes of [this.#durable, this.#seen])
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ bit;
    return at;
  }

  /** A copy as a process would make it, and sync it. */
  copy(): FileContent {
    return new FileContent(this.#seen);
  }
}

function changed(bytes: Buffer, change: Change): Buffer {
  if (change.kind === "truncate") return Buffer.alloc(0);
  const end = change.at + change.bytes.length;
  const grown = Buffer.alloc(Math.max(end, bytes.length));
  grown.set(bytes);
  grown.set(change.bytes, change.at);
  return grown;
}
