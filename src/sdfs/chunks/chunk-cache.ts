/**
 * Chunks that this node fetched but is no replica of. They can be had again, so nothing is synced; what is not in
 * use gives way, the longest unused first. What an earlier process left is verified before its first use.
 */
import { rm, stat } from "node:fs/promises";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import type { ChunkHash } from "../../lib/types.ts";
import { ChunkFolder } from "./chunk-folder.ts";
import { verify } from "./hash.ts";
import type { IoSlots } from "./io-slots.ts";

export interface ChunkCacheOptions {
  /** Bytes of chunks on disk, at most. */
  readonly maxBytes: number;
  /** The store's slots, so that both together keep within them. */
  readonly io: IoSlots;
}

/** A chunk that stays where it is until it is released. */
export interface Lease extends Disposable {
  readonly path: string;
  /** Idempotent. */
  release(): void;
}

interface Entry {
  /** On disk or about to be written; 0 until known. */
  bytes: number;
  /** Who uses it or waits for it: above 0 it stays. */
  leases: number;
  /** Resolves when the file is whole; absent for what was found at the start and not yet verified. */
  ready: Promise<void> | undefined;
}

export class ChunkCache implements AsyncDisposable {
  readonly #folder: ChunkFolder;
  readonly #options: ChunkCacheOptions;
  /** In the order of their last use. */
  readonly #entries = new Map<ChunkHash, Entry>();
  /** Files being deleted: their chunk is not written before they are gone. */
  readonly #leaving = new Map<ChunkHash, Promise<void>>();
  #bytes = 0;
  #closed = false;

  private constructor(folder: ChunkFolder, options: ChunkCacheOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Opens the folder, keeping what an earlier process left in it, the newest first if it is too much. */
  static async open(directory: string, options: ChunkCacheOptions): Promise<ChunkCache> {
    const folder = await ChunkFolder.open(directory, options.io);
    const cache = new ChunkCache(folder, options);
    const found: { hash: ChunkHash; bytes: number; modifiedAt: number }[] = [];
    for await (const hash of folder.list()) {
      const { size, mtimeMs } = await options.io.run(() => stat(folder.path(hash)));
      found.push({ hash, bytes: size, modifiedAt: mtimeMs });
    }
    found.sort((one, other) => one.modifiedAt - other.modifiedAt);
    for (const { hash, bytes } of found) {
      cache.#entries.set(hash, { bytes, leases: 0, ready: undefined });
      cache.#bytes += bytes;
    }
    cache.#evict();
    await Promise.all(cache.#leaving.values());
    return cache;
  }

  /** Bytes on disk, those about to be written included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it is here, or on its way. */
  has(hash: ChunkHash): boolean {
    return this.#entries.has(hash);
  }

  /**
   * Makes a chunk local and keeps it so until the lease is released. Concurrent calls share one fetch, the first's.
   * @param fetch brings bytes that it has verified
   * @throws IDunnoError what `fetch` throws; BUSY when all that is cached is in use
   */
  async acquire(hash: ChunkHash, fetch: () => Promise<Uint8Array>): Promise<Lease> {
    if (this.#closed) throw new IDunnoError("CLOSED", { what: "the chunk cache" });
    const path = this.#folder.path(hash);
    const entry = this.#entries.get(hash) ?? { bytes: 0, leases: 0, ready: undefined };
    entry.leases += 1;
    this.#entries.delete(hash);
    this.#entries.set(hash, entry);
    entry.ready ??= this.#load(hash, entry, fetch);
    try {
      await entry.ready;
    } catch (error) {
      this.#forget(hash, entry);
      throw error;
    }
    let released = false;
    const release = (): void => {
      if (!released) entry.leases -= 1;
      released = true;
    };
    return { path, release, [Symbol.dispose]: release };
  }

  /** A reader found the file damaged or gone: the next acquire looks at it, and fetches it anew if that is so. */
  suspect(hash: ChunkHash): void {
    const entry = this.#entries.get(hash);
    if (entry !== undefined) entry.ready = undefined;
  }

  /** Waits for deletions under way. Leases stay valid: nothing is deleted any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const loads = [...this.#entries.values()].map(({ ready }) => ready ?? Promise.resolve());
    await Promise.allSettled(loads);
    await Promise.all(this.#leaving.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(hash: ChunkHash, entry: Entry, fetch: () => Promise<Uint8Array>): Promise<void> {
    if (entry.bytes > 0 && (await this.#isWhole(hash))) return;
    this.#resize(entry, 0);
    const bytes = await fetch();
    await this.#leaving.get(hash);
    this.#resize(entry, bytes.length);
    if (!this.#evict()) {
      throw new IDunnoError("BUSY", { what: "the chunk cache", limit: this.#options.maxBytes });
    }
    await this.#options.io.run(() => this.#folder.write(hash, bytes, { sync: false }));
  }

  /** Whether a file left by an earlier process is what its name says: it was not synced. */
  #isWhole(hash: ChunkHash): Promise<boolean> {
    return this.#options.io.run(async () => {
      const bytes = await this.#folder.read(hash);
      if (bytes === undefined) return false;
      try {
        await verify(hash, bytes);
        return true;
      } catch (error) {
        if (hasCode(error, "MALFORMED") || hasCode(error, "TOO_LARGE")) return false;
        throw error;
      }
    });
  }

  #resize(entry: Entry, bytes: number): void {
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  /** Drops an entry whose load failed, so that the next one tries again. */
  #forget(hash: ChunkHash, entry: Entry): void {
    if (this.#entries.get(hash) !== entry) return;
    this.#entries.delete(hash);
    this.#remove(hash, entry);
  }

  /** Makes room; false when too much is in use for that. */
  #evict(): boolean {
    for (const [hash, entry] of this.#entries) {
      if (this.#bytes <= this.#options.maxBytes) return true;
      if (entry.leases > 0) continue;
      this.#entries.delete(hash);
      this.#remove(hash, entry);
    }
    return this.#bytes <= this.#options.maxBytes;
  }

  #remove(hash: ChunkHash, entry: Entry): void {
    this.#resize(entry, 0);
    const gone = this.#delete(hash, this.#leaving.get(hash)).finally(() => {
      if (this.#leaving.get(hash) === gone) this.#leaving.delete(hash);
    });
    this.#leaving.set(hash, gone);
  }

  /** Never rejects: a file that cannot be deleted is found again at the next start. */
  async #delete(hash: ChunkHash, before: Promise<void> | undefined): Promise<void> {
    await before;
    const path = this.#folder.path(hash);
    await this.#options.io.runAlways(() => rm(path, { force: true })).catch(() => undefined);
  }
}
