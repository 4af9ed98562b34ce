/**
 * The port to an ordered store of rows: what the stores use of LevelDB (level.ts), and no more, so that a simulated disk
 * can stand in for it. Keys are strings in the order of their UTF-8 bytes, values are bytes; every write of ours is synced.
 */
import { IDunnoError } from "../../lib/errors.ts";

export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

/** A view of a database as of one moment. Whoever takes one closes it. */
export interface LevelSnapshot {
  close(): Promise<void>;
}

/** Keys from and to, in ascending order unless `reverse`. */
export interface KeyRange {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly reverse?: boolean;
  /** Default: as of the call. */
  readonly snapshot?: LevelSnapshot;
}

/** Operations that take effect together or not at all. */
export interface Batch {
  put(key: string, value: Uint8Array): Batch;
  del(key: string): Batch;
  /** On the disk when it returns, if `sync`. */
  write(options: { readonly sync: boolean }): Promise<void>;
}

export interface Database {
  /** The directory it lies in. */
  readonly location: string;
  getSync(key: string, options?: Pick<KeyRange, "snapshot">): Uint8Array | undefined;
  batch(): Batch;
  iterator(range?: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  keys(range?: KeyRange): AsyncIterable<string>;
  snapshot(): LevelSnapshot;
  close(): Promise<void>;
}

/** A row of a database whose files may be damaged: one that cannot be read is as good as missing. */
export function readQuietly(database: Database, key: string): Uint8Array | undefined {
  try {
    return database.getSync(key);
  } catch {
    // The check of the files has said what is wrong.
    return undefined;
  }
}

/** Writes all or nothing, on the disk when it returns. A failure is final: LevelDB takes no writes after one. */
export async function writeSynced(
  database: Database,
  operations: readonly Operation[],
): Promise<void> {
  try {
    // Chained: an array is checked and copied once more, operation by operation.
    const batch = database.batch();
    for (const operation of operations)
      if (operation.type === "put") batch.put(operation.key, operation.value);
      else batch.del(operation.key);
    await batch.write({ sync: true });
  } catch (cause) {
    throw new IDunnoError("STORAGE_FAILED", { what: `a write to ${database.location}` }, { cause });
  }
}
