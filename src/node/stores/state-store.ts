/**
 * The applied state on LevelDB: one row per table entry, and `applied`, which says up to which log index they hold.
 *
 * Invariants
 *  S1 rows and `applied` change in one synced batch, so a restart finds a state that some index explains (etcd #13766);
 *  S2 one batch is in flight; what is applied meanwhile gathers in the overlay and goes with the next;
 *  S3 a read sees overlay, then batch in flight, then disk: never anything older than what was applied;
 *  S4 each row carries a CRC over key and value, for LevelDB does not check its blocks when it reads.
 */
import { crc32 } from "node:zlib";
import { IDunnoError } from "../../lib/errors.ts";
import { pack, unpack } from "../../lib/msgpack.ts";
import type { ColdTables, Mutation } from "../../machine/machine.ts";
import { type Database, type Operation, writeSynced } from "./level.ts";
import { seal, unseal } from "./seal.ts";

/** Row of the applied index and the rolling hash; it sorts before every table. */
const appliedKey = "!applied";

interface Pending {
  readonly value: unknown;
  readonly bytes: Uint8Array | undefined;
}

export class StateStore implements ColdTables {
  readonly #database: Database;
  #overlay = new Map<string, Pending>();
  #inFlight = new Map<string, Pending>();
  #writing: Promise<void> | undefined;
  #appliedIndex: number;
  #durableIndex: number;
  #hash: number;
  readonly #onFailure: (error: unknown) => void;

  private constructor(
    database: Database,
    applied: { index: number; hash: number },
    onFailure: (error: unknown) => void,
  ) {
    this.#database = database;
    this.#appliedIndex = applied.index;
    this.#durableIndex = applied.index;
    this.#hash = applied.hash;
    this.#onFailure = onFailure;
  }

  /** @param onFailure called when a background write fails: the node must stop */
  static open(database: Database, onFailure: (error: unknown) => void): StateStore {
    const bytes = database.getSync(appliedKey);
    const value = bytes === undefined ? [0, 0] : openRow(database, appliedKey, bytes);
    if (!Array.isArray(value) || typeof value[0] !== "number" || typeof value[1] !== "number")
      throw new IDunnoError("CORRUPT", {
        file: database.location,
        at: "the applied index",
        remedy: "delete the folder and restart the node: the state is rebuilt from the log",
      });
    return new StateStore(database, { index: value[0], hash: value[1] }, onFailure);
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

  get(key: string): unknown {
    const pending = this.#overlay.get(key) ?? this.#inFlight.get(key);
    if (pending !== undefined) return pending.value;
    const bytes = this.#database.getSync(key);
    return bytes === undefined ? undefined : openRow(this.#database, key, bytes);
  }

  /** Takes over what applying one log entry changed. Durable later, in order. */
  commit(index: number, mutations: readonly Mutation[]): void {
    for (const { key, value } of mutations) {
      const bytes = value === undefined ? undefined : sealRow(key, value);
      this.#hash = crc32(bytes ?? key, this.#hash);
      this.#overlay.set(key, { value, bytes });
    }
    this.#appliedIndex = index;
    this.#writing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    // Everything that is applied in this turn of the loop shares the batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      while (this.#durableIndex < this.#appliedIndex) {
        const index = this.#appliedIndex;
        this.#inFlight = this.#overlay;
        this.#overlay = new Map();
        const operations: Operation[] = [
          { type: "put", key: appliedKey, value: sealRow(appliedKey, [index, this.#hash]) },
        ];
        for (const [key, { bytes }] of this.#inFlight)
          operations.push(
            bytes === undefined ? { type: "del", key } : { type: "put", key, value: bytes },
          );
        await writeSynced(this.#database, operations);
        this.#inFlight = new Map();
        this.#durableIndex = index;
      }
    } catch (error) {
      this.#onFailure(error);
      return; // stays "writing": nothing more may be written
    }
    this.#writing = undefined;
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
    let next = 0;
    for await (const [key, bytes] of this.#database.iterator(from)) {
      if (!key.startsWith(prefix)) break;
      for (; next < added.length && byBytes(added[next] ?? "", key) < 0; next += 1) {
        const fresh = added[next] ?? "";
        const value = overlay.get(fresh)?.value;
        if (value !== undefined) yield [fresh, value];
      }
      if (overlay.has(key)) continue;
      yield [key, openRow(this.#database, key, bytes)];
    }
    for (const fresh of added.slice(next)) {
      const value = overlay.get(fresh)?.value;
      if (value !== undefined) yield [fresh, value];
    }
  }

  /** Waits until all that was applied is durable, then closes. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#database.close();
  }
}

function sealRow(key: string, value: unknown): Uint8Array {
  return seal(pack(value), key);
}

function openRow(database: Database, key: string, row: Uint8Array): unknown {
  const bytes = unseal(row, key);
  if (bytes === undefined)
    throw new IDunnoError("CORRUPT", {
      file: database.location,
      at: `row ${key}`,
      remedy: "delete the folder and restart the node: the state is rebuilt from the log",
    });
  return unpack(bytes, `row ${key}`);
}

/** LevelDB's order: by UTF-8 bytes, which differs from JavaScript's for characters beyond the basic plane. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
