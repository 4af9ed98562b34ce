/**
 * What survives a crash: exactly the writes that were acknowledged, plus any prefix of the rest. The log lies behind a
 * base, as in the node; the applied state is durable up to an index that may lag behind what was applied.
 */
import { LogIndex, type NodeId, Term } from "../../../src/lib/types.ts";
import { decodeConfiguration, simpleConfiguration } from "../../../src/raft/configuration.ts";
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  HardState,
  LogBase,
  PersistWrite,
  SnapshotMeta,
} from "../../../src/raft/types.ts";

export class Disk {
  hardState: HardState = { term: Term(0), vote: undefined };
  base: LogBase = { index: LogIndex(0), term: Term(0) };
  baseConfiguration: ConfigurationAt;
  /** Those after the base. */
  entries: Entry[] = [];
  /** The state as it would be found after a restart. */
  applied = 0;

  constructor(founders: readonly NodeId[]) {
    this.baseConfiguration = { index: LogIndex(0), configuration: simpleConfiguration(founders) };
  }

  get lastIndex(): LogIndex {
    return LogIndex(this.base.index + this.entries.length);
  }

  term(index: number): Term | undefined {
    if (index === this.base.index) return this.base.term;
    return this.entries[index - this.base.index - 1]?.term;
  }

  /** Whether this disk vouches for the entry: what the base covers is committed, hence the same everywhere. */
  holds(index: number, term: number): boolean {
    return index <= this.base.index || this.term(index) === term;
  }

  apply(write: PersistWrite): void {
    if (write.hardState !== undefined) this.hardState = write.hardState;
    if (write.install !== undefined) this.install(write.install);
    if (write.truncateFrom !== undefined)
      this.entries.length = Math.min(this.entries.length, write.truncateFrom - 1 - this.base.index);
    for (const entry of write.entries) {
      if (entry.index !== this.lastIndex + 1 && entry.index > this.lastIndex)
        throw new Error(`a gap on the disk: ${entry.index} after ${this.lastIndex}`);
      this.entries.length = entry.index - this.base.index - 1;
      this.entries.push(entry);
    }
  }

  /** A snapshot takes the place of the state and of the log. */
  install({ index, term, configuration }: SnapshotMeta): void {
    this.base = { index, term };
    this.baseConfiguration = { index, configuration };
    this.entries = [];
    this.applied = index;
  }

  /** Forgets the entries up to an index whose state is durable. */
  compact(index: LogIndex, configuration: ConfigurationAt): LogBase {
    const term = this.term(index);
    if (term === undefined) throw new Error(`the disk has no entry ${index} to compact to`);
    this.entries.splice(0, index - this.base.index);
    this.base = { index, term };
    this.baseConfiguration = configuration;
    return this.base;
  }

  read(from: number, to: number, maxBytes: number): readonly Entry[] {
    if (from <= this.base.index || to > this.lastIndex)
      throw new Error(`L3: asked for ${from} to ${to}, the disk has ${this.describe()}`);
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index += 1) {
      const entry = this.entries[index - this.base.index - 1];
      if (entry === undefined) break;
      bytes += entry.data.length + 32;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }

  configurations(): ConfigurationAt[] {
    return [
      this.baseConfiguration,
      ...this.entries
        .filter(({ kind }) => kind === "configuration")
        .map(({ index, data }) => ({ index, configuration: decoded(data) })),
    ];
  }

  describe(): string {
    return `(${this.base.index}, ${this.lastIndex}]`;
  }
}

export function decoded(data: Uint8Array): Configuration {
  const configuration = decodeConfiguration(data);
  if (configuration === undefined) throw new Error("no configuration");
  return configuration;
}
