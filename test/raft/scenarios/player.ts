/** One node of a scenario: its core, and the disk that a crash leaves. */
import { assert, LogIndex, type NodeId, Term } from "../../../src/lib/types.ts";
import { decodeConfiguration } from "../../../src/raft/configuration.ts";
import { Raft } from "../../../src/raft/core.ts";
import {
  type Configuration,
  type ConfigurationAt,
  defaultTimings,
  type Entry,
  type HardState,
  type LogBase,
  type Message,
  type PersistWrite,
  type RaftLimits,
  type RaftTimings,
} from "../../../src/raft/types.ts";

/** Chance has no part in a scenario: every range of times is one time. */
export const scenarioTimings: RaftTimings = {
  ...defaultTimings,
  // What is told by itself is told at once, so that each line has one cause.
  commitNoticeMs: 0,
  electionMaxMs: defaultTimings.electionMinMs,
  retryMaxMs: defaultTimings.retryMinMs,
  hintRetryMaxMs: defaultTimings.hintRetryMinMs,
};

export interface PlayerOptions {
  readonly id: NodeId;
  readonly configuration: Configuration;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
  readonly appliedIndex: number;
  /** Writes wait for the directive `write`. */
  readonly isAsync: boolean;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
}

/** What is durable. */
export class Disk {
  hardState: HardState;
  base: LogBase = { index: LogIndex(0), term: Term(0) };
  baseConfiguration: ConfigurationAt;
  entries: readonly Entry[];

  constructor({ hardState, configuration, entries }: PlayerOptions) {
    this.hardState = hardState;
    this.entries = entries;
    this.baseConfiguration = { index: LogIndex(0), configuration };
  }

  apply({ hardState, install, truncateFrom, entries }: PersistWrite): void {
    if (hardState !== undefined) {
      const { term, vote } = this.hardState;
      assert(hardState.term >= term, "R1: the durable term never falls");
      if (hardState.term === term)
        assert(vote === undefined || hardState.vote === vote, "R1: a vote is kept within its term");
      this.hardState = hardState;
    }
    if (install !== undefined) {
      this.base = { index: install.index, term: install.term };
      this.baseConfiguration = { index: install.index, configuration: install.configuration };
      this.entries = [];
    }
    const from = truncateFrom ?? entries[0]?.index;
    if (from !== undefined)
      this.entries = [...this.entries.filter(({ index }) => index < from), ...entries];
  }

  compact(to: number): void {
    const found = this.entries.find(({ index }) => index === to);
    assert(found !== undefined, `${to} is in the log`);
    this.baseConfiguration =
      this.configurations.findLast(({ index }) => index <= to) ?? this.baseConfiguration;
    this.base = { index: found.index, term: found.term };
    this.entries = this.entries.filter(({ index }) => index > to);
  }

  /** Whether what is durable includes this entry, or a state made from it. */
  holds(index: number, term: number): boolean {
    return (
      index <= this.base.index ||
      this.entries.some((entry) => entry.index === index && entry.term === term)
    );
  }

  get configurations(): readonly ConfigurationAt[] {
    const inLog = this.entries.flatMap(({ index, kind, data }) => {
      const configuration = kind === "configuration" ? decodeConfiguration(data) : undefined;
      return configuration === undefined ? [] : [{ index, configuration }];
    });
    return [this.baseConfiguration, ...inLog];
  }

  read(from: number, to: number, maxBytes: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.entries.filter(({ index }) => index >= from && index <= to)) {
      bytes += entry.data.length + 32;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }
}

export class Player {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly isAsync: boolean;
  raft: Raft | undefined;
  applied: number;
  /** The commit index last printed. */
  shownCommit: number;
  shownApplied: number;
  writing: PersistWrite[] = [];
  held: { readonly afterWrite: number; readonly message: Message }[] = [];
  durableWrite = 0;
  readonly #options: PlayerOptions;

  constructor(options: PlayerOptions, now: number) {
    this.id = options.id;
    this.isAsync = options.isAsync;
    this.disk = new Disk(options);
    this.#options = options;
    this.applied = options.appliedIndex;
    this.shownCommit = options.appliedIndex;
    this.shownApplied = options.appliedIndex;
    this.start(now, false);
  }

  /** The core; a dead node has none. */
  get core(): Raft {
    if (this.raft === undefined) throw new Error(`${this.id} is down`);
    return this.raft;
  }

  start(now: number, damaged: boolean): void {
    const { disk } = this;
    const last = disk.entries.at(-1) ?? disk.base;
    this.raft = new Raft(
      {
        id: this.id,
        configurations: disk.configurations,
        timings: this.#options.timings,
        limits: this.#options.limits,
        seed: 1,
        now,
        hardState: disk.hardState,
        base: disk.base,
        lastIndex: last.index,
        lastTerm: last.term,
        appliedIndex: LogIndex(Math.min(this.applied, last.index)),
        damaged,
      },
      { log: { read: (from, to, maxBytes) => disk.read(from, to, maxBytes) } },
    );
    this.shownCommit = this.raft.commitIndex;
    this.shownApplied = this.applied;
  }

  crash(): void {
    this.raft = undefined;
    this.writing = [];
    this.held = [];
    this.durableWrite = 0;
  }
}
