/**
 * One command's view of the state: its writes wait here until the command is known to succeed. Reads see them; dropping
 * them leaves no trace; committing makes them a list of mutations that every replica has alike.
 *
 * T1 A command's mutations come in the order of first writing, one per key, the last value written.
 * T2 Rows are plain data without `undefined` fields, so that a row read back from disk equals the one in memory.
 */
import type { Rows } from "../lib/rows.ts";
import { type HotRows, isHot } from "./tables.ts";

/** Point reads of cold rows: the node answers from what it has not written yet, then from LevelDB. */
export interface ColdTables {
  /** The row, exactly as it was put; undefined when there is none. What it throws ends the node: see {@link ColdReadFailure}. */
  get(key: string): unknown;
}

/** A row written, or deleted when `value` is undefined. */
export interface Mutation {
  readonly key: string;
  readonly value: unknown;
}

/** The disk failed, not the command: no outcome may be recorded, since other replicas' disks did not. */
export class ColdReadFailure extends Error {
  override readonly name = "ColdReadFailure";

  constructor(key: string, cause: unknown) {
    super(`reading ${key} failed`, { cause });
  }
}

export class Transaction implements Rows {
  readonly #hot: HotRows;
  readonly #cold: ColdTables;
  readonly #writes = new Map<string, unknown>();

  constructor(hot: HotRows, cold: ColdTables) {
    this.#hot = hot;
    this.#cold = cold;
  }

  get(key: string): unknown {
    if (this.#writes.has(key)) return this.#writes.get(key);
    if (isHot(key)) return this.#hot.get(key);
    try {
      return this.#cold.get(key);
    } catch (cause) {
      throw new ColdReadFailure(key, cause);
    }
  }

  put(key: string, row: unknown): void {
    this.#writes.set(key, withoutUndefined(row));
  }

  delete(key: string): void {
    this.#writes.set(key, undefined);
  }

  group(name: string): readonly (readonly [id: string, row: unknown])[] {
    const rows = new Map(this.#hot.peek(name));
    const start = `${name}/`;
    for (const [key, row] of this.#writes) {
      if (!key.startsWith(start) || key.includes("/", start.length)) continue;
      if (row === undefined) rows.delete(key.slice(start.length));
      else rows.set(key.slice(start.length), row);
    }
    // Memory's order depends on when the node last started; the order of ids does not.
    return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Forgets every write. */
  rollback(): void {
    this.#writes.clear();
  }

  /** T1. */
  mutations(): readonly Mutation[] {
    return Array.from(this.#writes, ([key, value]) => ({ key, value }));
  }
}

/** T2, for the row's own fields: nested ones are built without. */
function withoutUndefined(row: unknown): unknown {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return row;
  const fields = Object.entries(row);
  return fields.some(([, value]) => value === undefined)
    ? Object.fromEntries(fields.filter(([, value]) => value !== undefined))
    : row;
}
