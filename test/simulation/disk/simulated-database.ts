/**
 * A database of a simulated disk, open in one process. As LevelDB does, it writes what was asked for meanwhile as one group
 * with one sync; it takes no writes after one that failed; and who iterates sees the rows as they were when he began.
 */
import type {
  Batch,
  Database,
  KeyRange,
  LevelSnapshot,
  Operation,
} from "../../../src/node/stores/database.ts";
import { type DiskLife, systemError } from "./disk-life.ts";
import { type FrozenRows, type Row, rowOf, rowsIn, type SortedRows } from "./sorted-rows.ts";
import type { StoredDatabase } from "./stored-database.ts";

/** What an iterator fetches at a time, as `level` does: bounds the calls, and what is read too much. */
const page = { rows: 1_000, bytes: 16 * 1024 };

interface Write {
  readonly operations: readonly Operation[];
  readonly isSynced: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class Snapshot implements LevelSnapshot {
  readonly rows: FrozenRows;
  isClosed = false;

  constructor(rows: FrozenRows) {
    this.rows = rows;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

export class SimulatedDatabase implements Database {
  readonly location: string;
  readonly #stored: StoredDatabase;
  readonly #rows: SortedRows;
  readonly #life: DiskLife;
  #waiting: Write[] = [];
  #isWriting = false;
  #isRefusing = false;
  #isClosed = false;
  #isUnlocked = false;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** Opens it, at once. */
  constructor(location: string, stored: StoredDatabase, life: DiskLife) {
    this.location = location;
    this.#stored = stored;
    this.#life = life;
    this.#rows = stored.open();
    stored.isLocked = () => !this.#isUnlocked && !life.isOver;
  }

  getSync(key: string, { snapshot }: Pick<KeyRange, "snapshot"> = {}): Uint8Array | undefined {
    this.#check();
    return snapshot === undefined ? this.#rows.get(key) : rowOf(frozen(snapshot), key);
  }

  batch(): Batch {
    this.#check();
    const operations: Operation[] = [];
    const batch: Batch = {
      put: (key, value) => {
        operations.push({ type: "put", key, value: new Uint8Array(value) });
        return batch;
      },
      del: (key) => {
        operations.push({ type: "del", key });
        return batch;
      },
      write: async ({ sync }) => this.#write(operations, sync),
    };
    return batch;
  }

  async #write(operations: readonly Operation[], isSynced: boolean): Promise<void> {
    this.#check();
    if (operations.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ operations, isSynced, resolve, reject });
      if (!this.#isWriting) this.#writeGroup();
    });
  }

  #writeGroup(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#isWriting = group.length > 0;
    if (!this.#isWriting) {
      this.#idle?.();
      return;
    }
    const operations =
      group.length === 1
        ? (group[0]?.operations ?? [])
        : group.flatMap((write) => write.operations);
    this.#life.run(
      () => {
        const error = this.#finish(operations, group);
        for (const { resolve, reject } of group)
          if (error === undefined) resolve();
          else reject(error);
        this.#writeGroup();
      },
      // In the log perhaps, but not synced. What waits has not got there.
      () => this.#stored.append(operations, { isSynced: false }),
    );
  }

  /** What went wrong; undefined: the group is written. */
  #finish(operations: readonly Operation[], group: readonly Write[]): Error | undefined {
    const { faults } = this.#life;
    const isSynced = group.some((write) => write.isSynced);
    if (this.#isRefusing) return systemError("EIO", "an earlier write failed");
    if (faults.isFull) {
      this.#isRefusing = true;
      return systemError("ENOSPC", "write");
    }
    if (isSynced && this.#life.takeSyncFailure()) {
      this.#isRefusing = true;
      // The next opening finds it in the log, until the power fails.
      this.#stored.append(operations, { isSynced: false, isLost: true });
      return systemError("EIO", "fdatasync");
    }
    this.#stored.append(operations, { isSynced });
    for (const operation of operations)
      if (operation.type === "put") this.#rows.put(operation.key, operation.value);
      else this.#rows.delete(operation.key);
    if (this.#stored.mustFold) this.#stored.fold(this.#rows);
    return undefined;
  }

  iterator(range: KeyRange = {}): AsyncIterable<Row> {
    return this.#pages(this.#begin(range), range);
  }

  keys(range: KeyRange = {}): AsyncIterable<string> {
    return keysOf(this.iterator(range));
  }

  snapshot(): LevelSnapshot {
    this.#check();
    return new Snapshot(this.#rows.freeze());
  }

  #begin({ snapshot }: KeyRange): FrozenRows {
    this.#check();
    return snapshot === undefined ? this.#rows.freeze() : frozen(snapshot);
  }

  async *#pages(rows: FrozenRows, range: KeyRange): AsyncGenerator<Row> {
    const rest = rowsIn(rows, range);
    for (;;) {
      const { fetched, isLast } = await this.#life.call(() => {
        this.#check();
        return fetch(rest);
      });
      yield* fetched;
      if (isLast) return;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#isWriting)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    await this.#life.call(() => {
      this.#isUnlocked = true;
    });
  }

  #check(): void {
    if (this.#isClosed)
      throw Object.assign(new Error("Database is not open"), { code: "LEVEL_DATABASE_NOT_OPEN" });
  }
}

function frozen(snapshot: LevelSnapshot): FrozenRows {
  if (!(snapshot instanceof Snapshot)) throw new Error("a snapshot of another sort of database");
  if (snapshot.isClosed)
    throw Object.assign(new Error("Snapshot is not open"), { code: "LEVEL_SNAPSHOT_NOT_OPEN" });
  return snapshot.rows;
}

function fetch(rest: Generator<Row>): {
  readonly fetched: readonly Row[];
  readonly isLast: boolean;
} {
  const fetched: Row[] = [];
  let bytes = 0;
  for (let next = rest.next(); next.done !== true; next = rest.next()) {
    fetched.push(next.value);
    bytes += next.value[0].length + next.value[1].length;
    if (fetched.length >= page.rows || bytes >= page.bytes) return { fetched, isLast: false };
  }
  return { fetched, isLast: true };
}

async function* keysOf(rows: AsyncIterable<Row>): AsyncGenerator<string> {
  for await (const [key] of rows) yield key;
}
