/**
 * The chunks of a simulated machine: those its disk holds, which outlive its processes, and what a process sees of them,
 * as sdfs/chunks does it. A put that was answered survives a power cut; damage is found when a chunk is read.
 */
import { createHash } from "node:crypto";
import type { Random } from "../../src/lib/random.ts";
import { ChunkHash, StoreId } from "../../src/lib/types.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { StoredChunk } from "../../src/sdfs/chunks/chunk-store.ts";
import type { CachedChunks, Chunks } from "../../src/node/ports.ts";
import type { SimulatedProcess } from "./process.ts";

export interface DiskChunk {
  readonly bytes: Uint8Array;
  isDamaged: boolean;
}

export function chunkHash(bytes: Uint8Array): ChunkHash {
  return ChunkHash(createHash("sha256").update(bytes).digest("hex"));
}

/** What lies on the disk. */
export class ChunkDisk {
  id: StoreId;
  readonly durable = new Map<ChunkHash, DiskChunk>();
  /** Longest time of one operation, ms. */
  ioMs = 2;
  isFull = false;
  /** What its disk has for chunks, in bytes; all that is ever stored in a simulation is next to nothing. */
  readonly capacity: number;
  readonly #random: Random;
  readonly #contents: Map<ChunkHash, Uint8Array>;
  #folders = 0;
  readonly #name: string;

  /** @param contents takes a copy of whatever is ever stored, for the checks */
  constructor(name: string, random: Random, contents: Map<ChunkHash, Uint8Array>) {
    this.#name = name;
    this.#contents = contents;
    this.#random = random;
    this.capacity = (random.pick([1, 1, 1, 2, 4]) ?? 1) * 2 ** 36;
    this.id = this.#newId();
  }

  #newId(): StoreId {
    this.#folders += 1;
    return StoreId(`s-${this.#name}-${this.#folders}`);
  }

  /** An empty folder is another store. */
  wipe(): void {
    this.durable.clear();
    this.id = this.#newId();
  }

  /** Flips a bit of some chunk. Returns which; undefined: there is none to damage. */
  damage(may: (hash: ChunkHash) => boolean): ChunkHash | undefined {
    const hash = this.#random.pick([...this.durable.keys()].filter(may));
    const chunk = hash === undefined ? undefined : this.durable.get(hash);
    if (chunk !== undefined) chunk.isDamaged = true;
    return hash;
  }

  store(hash: ChunkHash, bytes: Uint8Array): void {
    this.durable.set(hash, { bytes, isDamaged: false });
    this.#contents.set(hash, bytes);
  }

  latency(): number {
    return this.#random.between(0, this.ioMs * 1_000) / 1_000;
  }
}

/** The chunk store of one process. */
export class SimulatedChunks implements Chunks {
  readonly id: StoreId;
  readonly #disk: ChunkDisk;
  readonly #process: SimulatedProcess;
  readonly #onDamage: (hash: ChunkHash) => void;
  readonly #deletes = new Map<ChunkHash, Promise<unknown>>();

  constructor(
    disk: ChunkDisk,
    ports: { readonly process: SimulatedProcess; readonly onDamage: (hash: ChunkHash) => void },
  ) {
    this.id = disk.id;
    this.#disk = disk;
    this.#process = ports.process;
    this.#onDamage = ports.onDamage;
  }

  async hash(bytes: Uint8Array): Promise<ChunkHash> {
    return chunkHash(bytes);
  }

  /** What is verified is not remembered here: every look takes its time. */
  known(): undefined {
    return undefined;
  }

  async find(hash: ChunkHash): Promise<string | undefined> {
    await this.#io();
    return this.#disk.durable.has(hash) ? `chunks/${hash}` : undefined;
  }

  async put(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    await this.#deletes.get(hash)?.catch(() => undefined); // it is decided, and that is all
    if (chunkHash(bytes) !== hash)
      throw new IDunnoError("MALFORMED", { path: `chunk ${hash}`, expected: "bytes of that hash" });
    await this.#io();
    if (this.#disk.isFull) throw new IDunnoError("BUSY", { what: "the disk", limit: 0 });
    this.#disk.store(hash, bytes);
  }

  async putVerified(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    await this.put(hash, bytes);
  }

  async putMany(chunks: readonly StoredChunk[]): Promise<void> {
    await Promise.all(chunks.map(async ({ hash, bytes }) => this.put(hash, bytes)));
  }

  async has(hash: ChunkHash): Promise<boolean> {
    await this.#deletes.get(hash)?.catch(() => undefined); // as above
    return (await this.get(hash)) !== undefined;
  }

  async get(hash: ChunkHash): Promise<Uint8Array | undefined> {
    await this.#io();
    const found = this.#disk.durable.get(hash);
    if (found?.isDamaged !== true) return found?.bytes;
    this.#disk.durable.delete(hash);
    this.#onDamage(hash);
    return undefined;
  }

  /** In the chunk's turn, as the real store does it: puts and questions meanwhile wait. */
  async delete(hash: ChunkHash, isDropped: () => Promise<boolean>): Promise<void> {
    await this.#inTurn(hash, async () => {
      if (await isDropped()) this.#disk.durable.delete(hash);
    });
  }

  async #inTurn<T>(hash: ChunkHash, work: () => Promise<T>): Promise<T> {
    const before = this.#deletes.get(hash);
    const turn = (async () => {
      await before?.catch(() => undefined); // whoever's turn it was has the failure
      return work();
    })();
    this.#deletes.set(hash, turn);
    try {
      return await turn;
    } finally {
      if (this.#deletes.get(hash) === turn) this.#deletes.delete(hash);
    }
  }

  async size(hash: ChunkHash): Promise<number | undefined> {
    await this.#io();
    return this.#disk.durable.get(hash)?.bytes.length;
  }

  async *list(digit = ""): AsyncGenerator<ChunkHash> {
    await this.#io();
    for (const hash of this.#disk.durable.keys()) if (hash.startsWith(digit)) yield hash;
  }

  async freeBytes(): Promise<number> {
    await this.#io();
    return this.#disk.isFull ? 0 : this.#disk.capacity;
  }

  async #io(): Promise<void> {
    await new Promise<void>((resolve) => this.#process.later(this.#disk.latency(), resolve));
  }
}

/** Chunks fetched for inference and not kept as replicas. Forgotten with the process, which costs fetching them again. */
export class SimulatedCache implements CachedChunks {
  readonly contents = new Map<ChunkHash, Uint8Array>();

  get bytes(): number {
    let sum = 0;
    for (const { length } of this.contents.values()) sum += length;
    return sum;
  }

  async acquire(
    hash: ChunkHash,
    fetch: () => Promise<Uint8Array>,
  ): ReturnType<CachedChunks["acquire"]> {
    if (!this.contents.has(hash)) this.contents.set(hash, await fetch());
    const release = (): void => undefined;
    return { path: `cache/${hash}`, release, [Symbol.dispose]: release };
  }

  has(hash: ChunkHash): boolean {
    return this.contents.has(hash);
  }

  suspect(hash: ChunkHash): void {
    this.contents.delete(hash);
  }
}
