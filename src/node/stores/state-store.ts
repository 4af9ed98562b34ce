/**
 * The applied state on LevelDB: one row per table entry, and `applied`, which says up to which log entry they hold.
 *
 * Invariants
 *  S1 rows and `applied` change in one synced batch, so a restart finds a state that some index explains (etcd #13766);
 *  S2 one batch is in flight; what is applied meanwhile gathers in the overlay and goes with the next;
 *  S3 a read sees overlay, then batch in flight, then disk: never anything older than what was applied;
 *  S4 each row carries a CRC over key and value, for LevelDB does not check its blocks when it reads;
 *  S5 a snapshot takes the place of all rows at once, between two commits and with nothing unwritten.
 */
import { crc32 } from "node:zlib";
import type { Runtime } from "../../lib/runtime.ts";
import { assert, LogIndex } from "../../lib/types.ts";
import type { ColdTables, Mutation } from "../../machine/machine.ts";
import type { ConfigurationAt } from "../../raft/types.ts";
import { type Database, type Operation, writeSynced } from "./database.ts";
import type { LogPosition } from "./log-base.ts";
import { StateFolder, StateView } from "./state-folder.ts";
import {
  appliedKey,
  appliedRow,
  type AppliedPosition,
  configurationKey,
  configurationValue,
  openRow,
  readPosition,
  sealRow,
} from "./state-rows.ts";

/** How long a batch gathers, in ms: the log makes the state anew, so only compaction and snapshots wait for it. */
const gatherMs = 50;
/** And no longer when it has this many bytes, which are also in memory. */
const gatherBytes = 2 * 1024 * 1024;

interface Pending {
  readonly value: unknown;
  readonly bytes: Uint8Array | undefined;
}

export interface StatePorts {
  readonly runtime: Runtime;
  /** A background write failed: the node must stop. */
  readonly onFailure: (error: unknown) => void;
  /** Term and chain of an entry that was applied; asked once for each batch. */
  readonly positionOf: (index: LogIndex) => Pick<LogPosition, "term" | "chain">;
}

export class StateStore implements ColdTables {
  readonly #ports: StatePorts;
  #folder: StateFolder;
  #overlay = new Map<string, Pending>();
  #inFlight = new Map<string, Pending>();
  #writing: Promise<void> | undefined;
  /** Bytes gathered for the next batch, rows that were written over included. */
  #overlayBytes = 0;
  /** Ends the gathering of the next batch. */
  #hurry: (() => void) | undefined;
  #isUrgent = false;
  #appliedIndex: number;
  #durableIndex: number;
  #hash: number;
  #configuration: ConfigurationAt | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(database: Database, applied: AppliedPosition, ports: StatePorts) {
    this.#folder = new StateFolder(database);
    this.#appliedIndex = applied.index;
    this.#durableIndex = applied.index;
    this.#hash = applied.hash;
    this.#configuration = applied.configuration;
    this.#ports = ports;
  }

  /** @throws IDunnoError CORRUPT */
  static open(database: Database, ports: StatePorts): StateStore {
    return new StateStore(database, readPosition(database), ports);
  }

  /** The log index up to which this state holds. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Running CRC over every mutation since the first: equal on every replica at equal index. */
  get hash(): number {
    return this.#hash;
  }

  /** The last configuration entry applied; undefined: the founders' configuration holds. */
  get configuration(): ConfigurationAt | undefined {
    return this.#configuration;
  }

  /** Calls after every batch that became durable. */
  onDurable(listener: () => void): void {
    this.#listeners.add(listener);
  }

  get(key: string): unknown {
    const pending = this.#overlay.get(key) ?? this.#inFlight.get(key);
    if (pending !== undefined) return pending.value;
    const { database } = this.#folder;
    const bytes = database.getSync(key);
    return bytes === undefined ? undefined : openRow(database, key, bytes);
  }

  /** Takes over what applying one log entry changed. Durable later, in order. */
  commit(index: number, mutations: readonly Mutation[]): void {
    for (const { key, value } of mutations) {
      const bytes = value === undefined ? undefined : sealRow(key, value);
      this.#hash = crc32(bytes ?? key, this.#hash);
      this.#overlay.set(key, { value, bytes });
      this.#overlayBytes += key.length + (bytes?.length ?? 0);
    }
    this.#appliedIndex = index;
    if (this.#overlayBytes > gatherBytes) this.#hurry?.();
    this.#writing ??= this.#flush();
  }

  /** Takes over what a configuration entry brought, as a mutation like any other. */
  commitConfiguration(at: ConfigurationAt): void {
    this.#configuration = at;
    this.commit(at.index, [{ key: configurationKey, value: configurationValue(at) }]);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#durableIndex < this.#appliedIndex) {
        await this.#gather();
        const index = this.#appliedIndex;
        this.#inFlight = this.#overlay;
        this.#overlay = new Map();
        this.#overlayBytes = 0;
        const place = this.#ports.positionOf(LogIndex(index));
        const value = appliedRow({ index, hash: this.#hash, place });
        const operations: Operation[] = [{ type: "put", key: appliedKey, value }];
        for (const [key, { bytes }] of this.#inFlight)
          operations.push(
            bytes === undefined ? { type: "del", key } : { type: "put", key, value: bytes },
          );
        await writeSynced(this.#folder.database, operations);
        this.#inFlight = new Map();
        this.#durableIndex = index;
        for (const listener of this.#listeners) listener();
      }
    } catch (error) {
      this.#ports.onFailure(error);
      return; // stays "writing": nothing more may be written
    }
    this.#writing = undefined;
  }

  /** Lets a batch grow: nobody waits for it, and each costs a sync. */
  async #gather(): Promise<void> {
    if (this.#isUrgent || this.#overlayBytes > gatherBytes) return;
    await new Promise<void>((resolve) => {
      const timer = this.#ports.runtime.after(gatherMs, resolve);
      this.#hurry = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  /** Rows whose keys start with `prefix`, after `after`, in key order, as of now. */
  async *rows(prefix: string, after = ""): AsyncGenerator<readonly [key: string, value: unknown]> {
    // A snapshot of the disk, under a copy of what is newer than it.
    const newer = [...this.#inFlight, ...this.#overlay].filter(
      ([key]) => key.startsWith(prefix) && byBytes(key, after) > 0,
    );
    const overlay = new Map(newer);
    const added = [...overlay.keys()].sort(byBytes);
    const from = byBytes(after, prefix) > 0 ? { gt: after } : { gte: prefix };
    const { database } = this.#folder;
    const leave = this.#folder.enter();
    let next = 0;
    try {
      for await (const [key, bytes] of database.iterator(from)) {
        if (!key.startsWith(prefix)) break;
        for (; next < added.length && byBytes(added[next] ?? "", key) < 0; next += 1) {
          const fresh = added[next] ?? "";
          const value = overlay.get(fresh)?.value;
          if (value !== undefined) yield [fresh, value];
        }
        if (overlay.has(key)) continue;
        yield [key, openRow(database, key, bytes)];
      }
    } finally {
      leave();
    }
    for (const fresh of added.slice(next)) {
      const value = overlay.get(fresh)?.value;
      if (value !== undefined) yield [fresh, value];
    }
  }

  /** The durable state as of now, for whoever sends it elsewhere. To be closed. */
  view(): StateView {
    return new StateView(this.#folder);
  }

  /** Resolves when all that was applied is durable. */
  async settled(): Promise<void> {
    this.#isUrgent = true;
    this.#hurry?.();
    while (this.#writing !== undefined) await this.#writing;
    this.#isUrgent = false;
  }

  /**
   * Puts another database in place of this one, at once (S5). Only while nothing is applied and all is durable.
   * @returns a function that closes the old database when the last reader has left it
   */
  adopt(database: Database): () => Promise<void> {
    assert(this.#writing === undefined && this.#overlay.size === 0, "S5: nothing is unwritten");
    const old = this.#folder;
    const { index, hash, configuration } = readPosition(database);
    this.#folder = new StateFolder(database);
    this.#appliedIndex = index;
    this.#durableIndex = index;
    this.#hash = hash;
    this.#configuration = configuration;
    return async () => {
      await old.left();
      await old.database.close();
    };
  }

  /** Waits until all that was applied is durable, then closes. */
  async close(): Promise<void> {
    this.#isUrgent = true;
    this.#hurry?.();
    await this.#writing;
    await this.#folder.database.close();
  }
}

/** LevelDB's order: by UTF-8 bytes, which differs from JavaScript's for characters beyond the basic plane. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
