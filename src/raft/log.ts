/**
 * The log as the core sees it: a window of recent entries in memory over what the store holds, and the knowledge
 * of which writes are durable.
 *
 * Invariants
 *  L1 base.index ≤ durableIndex ≤ lastIndex, and the window ends at lastIndex. While a snapshot is being installed the
 *     durable index is 0: nothing of the new log is durable yet.
 *  L2 durableIndex counts an entry only when the write that carried *this* entry is durable: a truncation takes
 *     back the promise of every earlier write beyond it, so a late acknowledgement of an overwritten entry counts
 *     for nothing (the ABA race of etcd-io/raft's asynchronous storage writes).
 *  L3 entries leave the window only when durable, so the store can always answer for what the window cannot.
 */
import { assert, LogIndex, type Term } from "../lib/types.ts";
import type { Entry, LogBase } from "./types.ts";

/** Durable entries, read synchronously. Owned by the core, implemented over LevelDB or memory. */
export interface LogReader {
  /** Entries [from, to], fewer when `maxBytes` is reached, at least one. All are durable and above the base. */
  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly Entry[];
}

export interface LogOpening {
  readonly base: LogBase;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** What an entry costs in windows and quotas: its data and its share of framing, in bytes. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + 32;
}

export class RaftLog {
  readonly #reader: LogReader;
  readonly #windowBytesMax: number;
  #base: LogBase;
  /** Entries (windowStart, lastIndex], contiguous. */
  #window: Entry[] = [];
  #windowStart: LogIndex;
  #windowStartTerm: Term;
  #windowBytes = 0;
  #durableIndex: LogIndex;
  /** Writes under way: up to which index each makes the log durable, after later truncations. */
  readonly #writes: { readonly write: number; upTo: LogIndex }[] = [];

  constructor(reader: LogReader, opening: LogOpening, windowBytesMax: number) {
    this.#reader = reader;
    this.#windowBytesMax = windowBytesMax;
    this.#base = opening.base;
    this.#windowStart = opening.lastIndex;
    this.#windowStartTerm = opening.lastTerm;
    this.#durableIndex = opening.lastIndex;
  }

  get base(): LogBase {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return this.#window.at(-1)?.index ?? this.#windowStart;
  }

  get lastTerm(): Term {
    return this.#window.at(-1)?.term ?? this.#windowStartTerm;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** The term of the entry at an index; undefined when it is compacted away or beyond the end. */
  term(index: LogIndex): Term | undefined {
    if (index > this.lastIndex || index < this.#base.index) return undefined;
    if (index > this.#windowStart) return this.#window[index - this.#windowStart - 1]?.term;
    if (index === this.#windowStart) return this.#windowStartTerm;
    if (index === this.#base.index) return this.#base.term;
    return this.#reader.read(index, index, 0)[0]?.term;
  }

  /** Entries from `from` on, at least one if there is one, else at most `maxBytes`. Undefined: compacted away. */
  slice(from: LogIndex, maxBytes: number): readonly Entry[] | undefined {
    if (from <= this.#base.index) return undefined;
    if (from > this.lastIndex) return [];
    if (from <= this.#windowStart) return this.#reader.read(from, this.#windowStart, maxBytes);
    const found: Entry[] = [];
    let bytes = 0;
    for (let i = from - this.#windowStart - 1; ; i += 1) {
      const entry = this.#window[i];
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }

  /** The same for whoever knows that there are entries from `from` on: never empty. */
  take(from: LogIndex, maxBytes: number): readonly Entry[] {
    const entries = this.slice(from, maxBytes);
    assert(entries?.[0]?.index === from, "what is not committed or not written yet is in the log");
    return entries;
  }

  /** Whether a log ending in (index, term) is at least as up to date as this one (§5.4.1). */
  isUpToDate(index: LogIndex, term: Term): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, "the log has no gaps");
      assert(entry.term >= this.lastTerm, "terms never fall along the log");
      this.#window.push(entry);
      this.#windowBytes += entryBytes(entry);
    }
  }

  /** Drops the entries from `from` on. The caller asks the store to do so in its next write. */
  truncateFrom(from: LogIndex): void {
    assert(from > this.#base.index, "what a snapshot covers is never truncated");
    const kept = LogIndex(from - 1);
    if (kept < this.#windowStart) {
      const term = this.term(kept);
      assert(term !== undefined, "the kept prefix is in the store");
      this.#window = [];
      this.#windowBytes = 0;
      this.#windowStart = kept;
      this.#windowStartTerm = term;
    } else {
      for (const entry of this.#window.splice(kept - this.#windowStart))
        this.#windowBytes -= entryBytes(entry);
    }
    if (this.#durableIndex > kept) this.#durableIndex = kept;
    for (const write of this.#writes) if (write.upTo > kept) write.upTo = kept;
  }

  /** The store has forgotten everything up to the new base. */
  compacted(base: LogBase): void {
    if (base.index <= this.#base.index) return;
    assert(base.index <= this.#durableIndex, "only what is durable is compacted (L1)");
    if (base.index > this.#windowStart) {
      for (const entry of this.#window.splice(0, base.index - this.#windowStart))
        this.#windowBytes -= entryBytes(entry);
      this.#windowStart = base.index;
      this.#windowStartTerm = base.term;
    }
    this.#base = base;
  }

  /** A snapshot takes the place of the whole log. Nothing is durable before the write that installs it is. */
  restore(base: LogBase): void {
    this.#base = base;
    this.#window = [];
    this.#windowBytes = 0;
    this.#windowStart = base.index;
    this.#windowStartTerm = base.term;
    this.#durableIndex = LogIndex(0);
    for (const write of this.#writes) write.upTo = LogIndex(0);
  }

  /** A write that carries the log up to its present end is on its way to the disk. */
  writing(write: number): void {
    this.#writes.push({ write, upTo: this.lastIndex });
  }

  /** All writes up to this one are durable. */
  persisted(write: number): void {
    let done = 0;
    for (const pending of this.#writes) {
      if (pending.write > write) break;
      done += 1;
      if (pending.upTo > this.#durableIndex) this.#durableIndex = pending.upTo;
    }
    this.#writes.splice(0, done);
    this.#shrink();
  }

  #shrink(): void {
    if (this.#windowBytes <= this.#windowBytesMax) return;
    let drop = 0;
    for (const entry of this.#window) {
      // Down to three quarters, so that the array is not shifted at each entry.
      if (this.#windowBytes <= (this.#windowBytesMax * 3) / 4 || entry.index > this.#durableIndex)
        break;
      this.#windowBytes -= entryBytes(entry);
      this.#windowStart = entry.index;
      this.#windowStartTerm = entry.term;
      drop += 1;
    }
    this.#window.splice(0, drop);
  }
}
