/**
 * The Raft log on LevelDB, guarded against LevelDB (design section 6). One synced batch per write; the mark file
 * beside it (mark.ts); each entry proves itself (entry-codec.ts); opening walks the whole log (log-recovery.ts).
 */
import { IDunnoError } from "../../lib/errors.ts";
import { pack } from "../../lib/msgpack.ts";
import { assert, LogIndex, Term } from "../../lib/types.ts";
import type { LogReader } from "../../raft/log.ts";
import { entryBytes } from "../../raft/log.ts";
import type { Entry, HardState, PersistWrite } from "../../raft/types.ts";
import { decodeEntry, encodeEntry, entryKey, type StoredEntry } from "./entry-codec.ts";
import { type Database, type Operation, writeSynced } from "./level.ts";
import { damageKey, hardStateKey, type Recovered } from "./log-recovery.ts";
import type { MarkFile } from "./mark.ts";
import { seal } from "./seal.ts";

/** How long the disk may be idle before the mark catches up with the log by itself, in milliseconds (design section 6). */
const markIdleMs = 5;

interface Position {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Uint8Array;
}

export class LogStore implements LogReader {
  readonly #database: Database;
  readonly #mark: MarkFile;
  #end: Position;
  #hardState: HardState;
  /** The mark write under way; the next waits for it. */
  #marking: Promise<void> = Promise.resolve();
  #markBusy = false;
  #idle: NodeJS.Timeout | undefined;
  #failed: ((error: unknown) => void) | undefined;
  #closed = false;

  constructor(database: Database, mark: MarkFile, recovered: Recovered) {
    this.#database = database;
    this.#mark = mark;
    this.#end = {
      index: recovered.lastIndex,
      term: recovered.lastTerm,
      chain: recovered.lastChain,
    };
    this.#hardState = recovered.hardState;
  }

  /** Called once when a background write of the mark fails: the node must stop. */
  onFailure(handler: (error: unknown) => void): void {
    this.#failed = handler;
  }

  get lastIndex(): LogIndex {
    return this.#end.index;
  }

  /** Makes a write durable. Calls must not overlap: the driver keeps one in flight. */
  async write({ hardState, truncateFrom, entries }: PersistWrite): Promise<void> {
    clearTimeout(this.#idle);
    const operations: Operation[] = [];
    let end = this.#end;
    const oldLast = end.index;
    const truncates = truncateFrom !== undefined && truncateFrom <= end.index;
    if (truncates) {
      end = this.#position(LogIndex(truncateFrom - 1));
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
    const marking = this.#markBeside(hardState, truncates);
    if (hardState !== undefined) {
      operations.push({ type: "put", key: hardStateKey, value: sealHardState(hardState) });
      this.#hardState = hardState;
    }
    await Promise.all([writeSynced(this.#database, operations), marking]);
    this.#end = end;
    this.#markWhenIdle();
  }

  /** M3 for a new term or vote; else the mark catches up with earlier writes while this one runs (M1). */
  #markBeside(hardState: HardState | undefined, truncates: boolean): Promise<void> {
    const known = this.#mark.last;
    if (hardState !== undefined) {
      // A truncation lowered the mark already; its old place stays true beside the new vote.
      const at = known ?? this.#end;
      return this.#writeMark({ index: at.index, term: at.term, chain: at.chain }, hardState);
    }
    if (truncates || this.#markBusy || known === undefined || known.index >= this.#end.index)
      return Promise.resolve();
    void this.#raise(); // failures reach onFailure
    return Promise.resolve();
  }

  #markWhenIdle(): void {
    if (this.#closed) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#raise(), markIdleMs); // failures reach onFailure
  }

  async #raise(): Promise<void> {
    const end = this.#end;
    if (this.#closed || (this.#mark.last?.index ?? -1) >= end.index) return;
    this.#markBusy = true;
    try {
      await this.#writeMark(end, this.#hardState);
    } catch (error) {
      this.#failed?.(error);
    } finally {
      this.#markBusy = false;
    }
  }

  async #writeMark(at: Position, hardState: HardState): Promise<void> {
    const before = this.#marking;
    const next = (async () => {
      await before;
      await this.#mark.write({ ...at, hardState });
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

  /** The running hash up to an entry. */
  chainAt(index: LogIndex): Uint8Array {
    return this.#position(index).chain;
  }

  #position(index: LogIndex): Position {
    // No compaction in this version: the log starts at 1, before it is the empty chain.
    if (index === 0) return { index, term: Term(0), chain: new Uint8Array(16) };
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
    await this.#raise();
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#marking;
    await this.#mark.close();
    await this.#database.close();
  }
}

function sealHardState({ term, vote }: HardState): Uint8Array {
  return seal(pack(vote === undefined ? [term] : [term, vote]));
}
