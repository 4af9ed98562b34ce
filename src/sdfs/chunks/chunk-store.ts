/**
 * The chunks that this node is a replica of. "Have it" is a promise about power cuts and rotten bits: said only when
 * the file and its directory entry are synced, and the content was hashed at least once in this process.
 */
import { mkdir, readdir, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import type { ChunkHash, StoreId } from "../../lib/types.ts";
import { ChunkFolder, fanOut } from "./chunk-folder.ts";
import { DirectorySync } from "./directory-sync.ts";
import { FolderGroup } from "./folder-group.ts";
import { hashOf, refuseBadName, verify } from "./hash.ts";
import { IoSlots } from "./io-slots.ts";
import { readOrMakeId } from "./store-id.ts";

export interface ChunkStoreOptions {
  /** File operations and hashes at once: at most half of `UV_THREADPOOL_SIZE`. */
  readonly ioSlots: number;
  /** A chunk was found damaged and set aside: it has to be copied here again. */
  readonly onDamage?: (hash: ChunkHash) => void;
}

/** Hashes remembered as verified: some 20 MB. Of a larger store, what was longest unasked is hashed again when asked. */
const maxVerified = 200_000;

/** Damaged files kept for whoever wants to know why; later ones are deleted. Arbitrary: at most 256 MiB. */
const maxQuarantined = 64;

/** Operations of one group of puts at once: what a disk can sync together, without taking the slots from others. */
const groupLanes = 8;

export interface StoredChunk {
  readonly hash: ChunkHash;
  readonly bytes: Uint8Array;
}

export class ChunkStore implements AsyncDisposable {
  /** Made with the folder: a wiped folder is another store. */
  readonly id: StoreId;
  /** Shared with whatever else reads and writes chunks on this node. */
  readonly io: IoSlots;
  readonly #folder: ChunkFolder;
  readonly #directories: ReadonlyMap<string, DirectorySync>;
  readonly #onDamage: (hash: ChunkHash) => void;
  /** Durable, and hashed or written by this process; in the order of their last use. */
  readonly #verified = new Set<ChunkHash>();
  /** What changes or first judges a chunk's file runs one after the other. */
  readonly #turns = new Map<ChunkHash, Promise<unknown>>();
  readonly #puts = new Map<ChunkHash, Promise<void>>();
  /** How many deletions of a chunk wait or run. */
  readonly #deletes = new Map<ChunkHash, number>();
  #quarantined: number;
  #state: "open" | "failed" | "closed" = "open";

  private constructor(
    id: StoreId,
    { onDamage }: ChunkStoreOptions,
    parts: {
      io: IoSlots;
      folder: ChunkFolder;
      directories: ReadonlyMap<string, DirectorySync>;
      quarantined: number;
    },
  ) {
    this.id = id;
    this.io = parts.io;
    this.#folder = parts.folder;
    this.#directories = parts.directories;
    this.#quarantined = parts.quarantined;
    this.#onDamage = onDamage ?? (() => undefined);
  }

  /**
   * Opens a chunk folder, making what is missing of it. One process at a time: the data directory's lock sees to that.
   * @throws IDunnoError CORRUPT when its id is unreadable
   */
  static async open(directory: string, options: ChunkStoreOptions): Promise<ChunkStore> {
    const io = new IoSlots(options.ioSlots);
    const folder = await ChunkFolder.open(directory, io);
    const bad = join(directory, "bad");
    await mkdir(bad, { recursive: true });
    const quarantined = (await readdir(bad)).length;
    const directories = new Map<string, DirectorySync>();
    try {
      for (const digit of fanOut) {
        directories.set(digit, await DirectorySync.open(join(directory, digit), io));
      }
      // A process that was killed may have renamed without syncing; its files are whole, as they were synced before.
      await Promise.all([...directories.values()].map((each) => each.sync()));
      const id = await readOrMakeId(directory);
      return new ChunkStore(id, options, { io, folder, directories, quarantined });
    } catch (error) {
      await Promise.all([...directories.values()].map((each) => each.close()));
      throw error;
    }
  }

  /** Where the chunk lies, or would. Only for a chunk that {@link has} affirmed. */
  path(hash: ChunkHash): string {
    return this.#folder.path(hash);
  }

  /** The name of a chunk with these bytes, hashed in the slots of the store: hashing takes a place on the pool, too. */
  async hash(bytes: Uint8Array): Promise<ChunkHash> {
    return this.io.runAlways(async () => hashOf(bytes));
  }

  /** Whether a verified copy is here that survives a power cut. Hashes it if this process has not yet. */
  async has(hash: ChunkHash): Promise<boolean> {
    this.#refuseUnlessOpen();
    refuseBadName(hash);
    if (this.#touch(hash)) return true;
    return this.#inTurn(hash, async () => {
      if (this.#touch(hash)) return true;
      return (await this.#readVerified(hash)) !== undefined;
    });
  }

  /**
   * Stores a chunk; resolves when it would survive a power cut. Concurrent puts of a chunk share the work.
   * @throws IDunnoError MALFORMED when the bytes are not what the hash says; TOO_LARGE; BUSY when too much waits or
   * the disk is full; STORAGE_FAILED
   */
  async put(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    this.#refuseUnlessOpen();
    refuseBadName(hash);
    // Each caller's bytes are judged on their own: nobody gets another's verdict.
    await this.io.run(() => verify(hash, bytes));
    await this.putVerified(hash, bytes);
  }

  /**
   * {@link put} for a caller that has itself hashed these bytes in this process, or cut them.
   * @throws IDunnoError as {@link put}, but for MALFORMED and TOO_LARGE
   */
  async putVerified(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    this.#refuseUnlessOpen();
    if (this.#touch(hash)) return;
    await (this.#puts.get(hash) ??
      this.#sharedPut(hash, () => this.#inTurn(hash, () => this.#write(hash, bytes))));
  }

  /**
   * Stores chunks as a group; resolves when all would survive a power cut. Each file is synced by itself, but one sync
   * of each folder does for all: for many small chunks that is most of the work.
   * @param options.areVerified the caller has itself hashed these bytes in this process. Default: they are hashed here
   * @throws IDunnoError as {@link put}; some of the chunks may have been stored nevertheless
   */
  async putMany(
    chunks: readonly StoredChunk[],
    { areVerified = false }: { readonly areVerified?: boolean } = {},
  ): Promise<void> {
    this.#refuseUnlessOpen();
    // Of its own: a group must not take every slot, nor fill the queue for them.
    const lanes = new IoSlots(groupLanes);
    const inLane = <T>(work: () => Promise<T>): Promise<T> =>
      lanes.runAlways(() => this.io.run(work));
    if (!areVerified)
      await Promise.all(chunks.map(({ hash, bytes }) => inLane(() => verify(hash, bytes))));
    this.#refuseUnlessOpen();
    const group = new FolderGroup((digit) => this.#syncFolder(digit));
    const puts: Promise<void>[] = [];
    // In one turn of the loop: of two groups with the same chunks one has them all, and neither waits for the other.
    for (const { hash, bytes } of chunks) {
      if (this.#touch(hash)) continue;
      let put = this.#puts.get(hash);
      if (put === undefined) {
        const member = group.join(hash.charAt(0));
        const write = async (): Promise<void> => {
          await member.commit(() => inLane(() => this.#writeFile(hash, bytes)));
          this.#remember(hash);
        };
        put = this.#sharedPut(hash, () => this.#inTurn(hash, write).finally(() => member.leave()));
      }
      puts.push(put);
    }
    await Promise.all(puts);
  }

  /**
   * The chunk's bytes, verified; undefined when it is not here or was found damaged (and then set aside).
   * @param options.isSmall it is likely to be small, so that reading it at once costs least. Default: no
   */
  async get(
    hash: ChunkHash,
    { isSmall = false }: { readonly isSmall?: boolean } = {},
  ): Promise<Uint8Array | undefined> {
    this.#refuseUnlessOpen();
    const bytes = await this.#readIfGood(hash, isSmall);
    if (bytes instanceof Uint8Array) return bytes;
    if (bytes === "absent" && !this.#verified.has(hash)) return undefined;
    // Judged again in turn: a put may have replaced the file meanwhile.
    return this.#inTurn(hash, () => this.#readVerified(hash));
  }

  /** Where the chunk lies, for a reader who verifies it, if this process has verified it; a look at the disk costs more. */
  known(hash: ChunkHash): string | undefined {
    this.#refuseUnlessOpen();
    return this.#touch(hash) ? this.path(hash) : undefined;
  }

  /** Where the chunk lies, for a reader who verifies it; undefined when it is not here. */
  async find(hash: ChunkHash): Promise<string | undefined> {
    const known = this.known(hash);
    if (known !== undefined) return known;
    return (await this.#folder.size(hash)) === undefined ? undefined : this.path(hash);
  }

  /** The file's size, which is no promise about its content; undefined when there is none. */
  size(hash: ChunkHash): Promise<number | undefined> {
    this.#refuseUnlessOpen();
    return this.#folder.size(hash);
  }

  /**
   * Chunks by their names, unverified, in no order.
   * @param digit those whose name begins with it; default: all
   */
  list(digit?: string): AsyncIterable<ChunkHash> {
    this.#refuseUnlessOpen();
    return this.#folder.list(digit === undefined ? fanOut : [digit]);
  }

  /**
   * Deletes a chunk, if it is here. After a power cut it may be back, which costs space only. Whoever puts the chunk or
   * asks for it meanwhile waits until that is decided.
   * @param isDropped whether it is to be deleted, asked when everything called before has ended
   */
  async delete(
    hash: ChunkHash,
    isDropped: () => Promise<boolean> = async () => true,
  ): Promise<void> {
    this.#refuseUnlessOpen();
    const path = this.#folder.path(hash);
    // Whoever puts or asks from now on must not rest on what is here still.
    this.#puts.delete(hash);
    this.#deletes.set(hash, (this.#deletes.get(hash) ?? 0) + 1);
    try {
      await this.#inTurn(hash, async () => {
        if (!(await isDropped())) return;
        this.#verified.delete(hash);
        await this.io.run(() => rm(path, { force: true }));
      });
    } finally {
      const left = (this.#deletes.get(hash) ?? 1) - 1;
      if (left === 0) this.#deletes.delete(hash);
      else this.#deletes.set(hash, left);
    }
  }

  /** What the disk under the store has free for this user, in bytes. */
  freeBytes(): Promise<number> {
    this.#refuseUnlessOpen();
    return this.io.run(async () => {
      const { bavail, bsize } = await statfs(this.#folder.directory);
      return bavail * bsize;
    });
  }

  /** Finishes what is under way. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    await Promise.allSettled([...this.#puts.values(), ...this.#turns.values()]);
    await Promise.all([...this.#directories.values()].map((each) => each.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A put that whoever comes meanwhile with the same chunk may share. */
  #sharedPut(hash: ChunkHash, put: () => Promise<void>): Promise<void> {
    const ours = put().finally(() => {
      if (this.#puts.get(hash) === ours) this.#puts.delete(hash);
    });
    this.#puts.set(hash, ours);
    return ours;
  }

  async #write(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    await this.io.run(() => this.#writeFile(hash, bytes));
    await this.#syncFolder(hash.charAt(0));
    this.#remember(hash);
  }

  /** In a slot: the file is whole and synced, its name not yet. */
  async #writeFile(hash: ChunkHash, bytes: Uint8Array): Promise<void> {
    try {
      await this.#folder.write(hash, bytes, { sync: true });
    } catch (error) {
      if (error instanceof IDunnoError) throw error;
      const what = `writing chunk ${hash}`;
      throw new IDunnoError("STORAGE_FAILED", { what }, { cause: error });
    }
  }

  async #syncFolder(digit: string): Promise<void> {
    try {
      await this.#directories.get(digit)?.sync();
    } catch (cause) {
      // The kernel forgets a failed sync: no later one can tell whether this rename lasts.
      this.#state = "failed";
      throw new IDunnoError("STORAGE_FAILED", { what: `the chunk folder ${digit}` }, { cause });
    }
  }

  /** The chunk as it should be; otherwise what is wrong. */
  #readIfGood(hash: ChunkHash, isSmall = false): Promise<Uint8Array | "absent" | "damaged"> {
    return this.io.run(async () => {
      try {
        const bytes = await (isSmall ? this.#folder.readSmall(hash) : this.#folder.read(hash));
        if (bytes === undefined) return "absent";
        await verify(hash, bytes);
        return bytes;
      } catch (error) {
        const unreadable = error instanceof Error && "code" in error && error.code === "EIO";
        if (unreadable || hasCode(error, "MALFORMED") || hasCode(error, "TOO_LARGE")) {
          return "damaged";
        }
        throw error;
      }
    });
  }

  /** In the chunk's turn: its bytes if they are good, and then it counts as verified; otherwise it is set aside. */
  async #readVerified(hash: ChunkHash): Promise<Uint8Array | undefined> {
    const bytes = await this.#readIfGood(hash);
    if (bytes instanceof Uint8Array) {
      this.#remember(hash);
      return bytes;
    }
    if (bytes === "damaged") await this.io.run(() => this.#quarantine(hash));
    // A file that is gone though we answered for it is damage, too.
    if (this.#verified.delete(hash) || bytes === "damaged") this.#onDamage(hash);
    return undefined;
  }

  async #quarantine(hash: ChunkHash): Promise<void> {
    if (this.#quarantined >= maxQuarantined) return rm(this.path(hash), { force: true });
    await rename(this.path(hash), join(this.#folder.directory, "bad", hash));
    this.#quarantined += 1;
  }

  async #inTurn<T>(hash: ChunkHash, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(hash);
    const turn = (async () => {
      await before?.catch(() => undefined); // whoever's turn it was has the failure
      this.#refuseUnlessOpen();
      return work();
    })();
    this.#turns.set(hash, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(hash) === turn) this.#turns.delete(hash);
    }
  }

  #remember(hash: ChunkHash): void {
    this.#verified.add(hash);
    const [oldest] = this.#verified;
    if (this.#verified.size > maxVerified && oldest !== undefined) this.#verified.delete(oldest);
  }

  /** Whether the chunk is known to be here; counts as a use. */
  #touch(hash: ChunkHash): boolean {
    if (this.#deletes.has(hash) || !this.#verified.delete(hash)) return false;
    this.#verified.add(hash);
    return true;
  }

  #refuseUnlessOpen(): void {
    if (this.#state === "open") return;
    const what = "the chunk store";
    if (this.#state === "closed") throw new IDunnoError("CLOSED", { what });
    throw new IDunnoError("STORAGE_FAILED", { what });
  }
}
