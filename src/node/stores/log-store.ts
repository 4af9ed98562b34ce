/**
 * The Raft log on LevelDB, guarded against LevelDB (design section 6). One synced batch per write; the mark file
 * beside it (mark.ts); each entry proves itself (entry-codec.ts); opening walks the whole log (log-recovery.ts).
 *
 * The log begins after its base, which moves in two ways, both safe to cut short anywhere:
 *
 *  B1 compacting: one synced batch moves the base up to an entry that a durable state stands for; then the entries up
 *     to it are deleted, the oldest first. Cut short, they lie under the base, and opening deletes them.
 *  B2 installing a snapshot, when its state is durable and is the node's state: the mark is lowered to nothing; entries
 *     after the new base are deleted, the newest first; one synced batch writes the base; the mark is raised to it; the
 *     older entries go as in B1. Cut short before the base's batch, the log is a prefix of the old one, which the mark
 *     does not name, and the state lies beyond it or contradicts it: opening then writes the base itself
 *     (log-recovery.ts, G1 and G3). Cut short before the mark was lowered, the mark may name an entry beyond
 *     the base, and the node counts as damaged: more than needed, never less.
 */
import { IDunnoError } from "../../lib/errors.ts";
import type { Runtime, Timer } from "../../lib/runtime.ts";
import { assert, LogIndex } from "../../lib/types.ts";
import type { LogReader } from "../../raft/log.ts";
import { entryBytes } from "../../raft/log.ts";
import type { Configuration, Entry, HardState, PersistWrite } from "../../raft/types.ts";
import { decodeEntry, encodeEntry, entryKey, type StoredEntry } from "./entry-codec.ts";
import { putHardState } from "./hard-state.ts";
import { type Database, type Operation, writeSynced } from "./database.ts";
import { type LogPosition, logStart, putBase, type StoredBase } from "./log-base.ts";
import { damageKey, type Recovered } from "./log-recovery.ts";
import type { LogSizes } from "./log-sizes.ts";
import { deleteFrom, deleteTo } from "./log-trim.ts";
import type { MarkFile } from "./mark.ts";

/** How far the mark may lag behind the log, in milliseconds: it costs a sync of its own (docs/decisions/0011). */
const markLagMs = 50;

export class LogStore implements LogReader {
  readonly #database: Database;
  readonly #mark: MarkFile;
  readonly #runtime: Runtime;
  #base: StoredBase;
  #end: LogPosition;
  #hardState: HardState;
  #isDamaged: boolean;
  readonly #sizes: LogSizes;
  /** What moves the base or deletes under it, one after the other. */
  #moving: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();
  /** The mark write under way; the next waits for it. */
  #marking: Promise<void> = Promise.resolve();
  #raising: Timer | undefined;
  #failed: ((error: unknown) => void) | undefined;
  #closed = false;

  constructor(database: Database, mark: MarkFile, recovered: Recovered, runtime: Runtime) {
    this.#database = database;
    this.#mark = mark;
    this.#runtime = runtime;
    this.#base = recovered.base;
    this.#end = {
      index: recovered.lastIndex,
      term: recovered.lastTerm,
      chain: recovered.lastChain,
    };
    this.#hardState = recovered.hardState;
    this.#isDamaged = recovered.damage.length > 0;
    this.#sizes = recovered.sizes;
  }

  /** Called once when a background write fails: the node must stop. */
  onFailure(handler: (error: unknown) => void): void {
    this.#failed = handler;
  }

  /** The entry before the first one. */
  get base(): StoredBase {
    return this.#base;
  }

  /** The newest term and vote written. */
  get hardState(): HardState {
    return this.#hardState;
  }

  get lastIndex(): LogIndex {
    return this.#end.index;
  }

  /** The last entry that the mark names: damage to it and all before it is noticed (docs/decisions/0011). */
  get markedIndex(): LogIndex | undefined {
    return this.#mark.last?.index;
  }

  /** Bytes and places of the entries after the base. */
  get sizes(): Pick<LogSizes, "bytes" | "indexKeeping"> {
    return this.#sizes;
  }

  /** Makes a write durable. Calls must not overlap: the driver keeps one in flight. */
  async write({ hardState, truncateFrom, entries }: PersistWrite): Promise<void> {
    const operations: Operation[] = [];
    let end = this.#end;
    const oldLast = end.index;
    const truncates = truncateFrom !== undefined && truncateFrom <= end.index;
    if (truncates) {
      // Nor may it be raised while this write is under way.
      this.#forgetMark();
      end = this.positionOf(LogIndex(truncateFrom - 1));
      // M2: never let the mark promise what this write takes away.
      if ((this.#mark.last?.index ?? 0) > end.index) await this.#writeMark(end, this.#hardState);
      for (let index = truncateFrom + entries.length; index <= oldLast; index += 1)
        operations.push({ type: "del", key: entryKey(index) });
    }
    for (const entry of entries) {
      assert(entry.index === end.index + 1, "the stored log has no gaps");
      const { bytes, chain } = encodeEntry(entry, end.chain);
      operations.push({ type: "put", key: entryKey(entry.index), value: bytes });
      end = { index: entry.index, term: entry.term, chain };
    }
    // M3. A truncation lowered the mark already; its old place stays true beside the new vote.
    const marking =
      hardState === undefined
        ? Promise.resolve()
        : this.#writeMark(this.#mark.last ?? this.#end, hardState);
    if (hardState !== undefined) {
      operations.push(putHardState(hardState));
      this.#hardState = hardState;
    }
    await Promise.all([writeSynced(this.#database, operations), marking]);
    this.#end = end;
    this.#follow(truncates ? truncateFrom : undefined, entries);
    this.#markSoon();
  }

  /** Keeps what is known of the entries beside them. */
  #follow(truncateFrom: LogIndex | undefined, entries: readonly Entry[]): void {
    if (truncateFrom !== undefined) {
      this.#sizes.truncateFrom(truncateFrom);
    }
    for (const entry of entries) this.#sizes.add(entry.index, entry.data.length);
  }

  /**
   * Moves the base up to an entry that a durable state stands for (B1). The entries below stay readable until
   * {@link trim}, so that whoever reads them can be told first. May run beside {@link write}.
   */
  async compact(to: LogIndex, configuration: Configuration | undefined): Promise<StoredBase> {
    return this.#alone(async () => {
      // A snapshot may have taken the log's place meanwhile.
      if (to <= this.#base.index || to > this.#end.index) return this.#base;
      const base = { ...this.positionOf(to), configuration };
      await writeSynced(this.#database, [putBase(base)]);
      this.#rebase(base);
      return base;
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#moving;
    const next = (async () => {
      await before;
      return work();
    })();
    this.#moving = next.catch(() => undefined); // its own caller hears of it
    return next;
  }

  #rebase(base: StoredBase): void {
    const { index } = base;
    this.#base = base;
    this.#sizes.dropTo(index);
  }

  /** Deletes the entries up to the base, a batch at a time. */
  async trim(): Promise<void> {
    const { signal } = this.#closing;
    await this.#alone(async () =>
      deleteTo(this.#database, this.#base.index, { runtime: this.#runtime, signal }),
    );
  }

  /**
   * Replaces the whole log by the position of a snapshot that is this node's state already (B2). As {@link write}, not
   * while one is under way.
   */
  async install(base: StoredBase, hardState: HardState): Promise<void> {
    this.#forgetMark();
    await this.#alone(async () => {
      this.#hardState = hardState;
      await this.#writeMark(logStart, hardState);
      await deleteFrom(this.#database, LogIndex(base.index + 1), this.#runtime);
      await writeSynced(this.#database, [putBase(base), putHardState(hardState)]);
      this.#sizes.truncateFrom(LogIndex(0));
      this.#rebase(base);
      this.#end = base;
      await this.#writeMark(base, hardState);
    });
    this.trim().catch((error: unknown) => this.#failed?.(error));
  }

  /** M1: the mark catches up with what is durable, beside the writes and not with each of them. */
  #markSoon(): void {
    if (this.#closed || this.#raising !== undefined) return;
    this.#raising = this.#runtime.after(markLagMs, () => {
      this.#raising = undefined;
      void this.#raise(); // failures reach onFailure
    });
  }

  #forgetMark(): void {
    this.#raising?.cancel();
    this.#raising = undefined;
  }

  async #raise(): Promise<void> {
    const end = this.#end;
    if (this.#closed || (this.#mark.last?.index ?? -1) >= end.index) return;
    try {
      await this.#writeMark(end, this.#hardState);
    } catch (error) {
      this.#failed?.(error);
    }
  }

  async #writeMark({ index, term, chain }: LogPosition, hardState: HardState): Promise<void> {
    const before = this.#marking;
    const next = (async () => {
      await before;
      await this.#mark.write({ index, term, chain, hardState, isDamaged: this.#isDamaged });
    })();
    // A failed write fails its own caller; the next one must not be blocked by it a second time.
    this.#marking = next.catch(() => undefined);
    await next;
  }

  /** Writes the mark at the end of the log, when a log is made. */
  async remark(): Promise<void> {
    await this.#writeMark(this.#end, this.#hardState);
  }

  /** The log is whole again: the mark is written anew, then the note of the damage goes. */
  async healed(): Promise<void> {
    this.#isDamaged = false;
    await this.remark();
    await writeSynced(this.#database, [{ type: "del", key: damageKey }]);
  }

  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index = LogIndex(index + 1)) {
      const { entry } = this.#stored(index);
      bytes += entryBytes(entry);
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }

  /** Term and running hash of an entry, or of the base. */
  positionOf(index: LogIndex): LogPosition {
    if (index === this.#base.index) {
      const { term, chain } = this.#base;
      return { index, term, chain };
    }
    if (index === this.#end.index) return this.#end;
    const { entry, chain } = this.#stored(index);
    return { index, term: entry.term, chain };
  }

  #stored(index: LogIndex): StoredEntry {
    const bytes = this.#database.getSync(entryKey(index));
    const stored = bytes === undefined ? "it is missing" : decodeEntry(index, bytes);
    if (typeof stored === "string")
      throw new IDunnoError("CORRUPT", {
        file: this.#database.location,
        at: `entry ${index}: ${stored}`,
        remedy: "restart the node: it discards what is damaged and is refilled by its peers",
      });
    return stored;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closing.abort();
    await this.#moving;
    await this.#raise();
    this.#closed = true;
    this.#forgetMark();
    await this.#marking;
    await this.#mark.close();
    await this.#database.close();
  }
}
