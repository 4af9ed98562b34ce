/**
 * The replicated state as its owners see it: rows under string keys, read and written inside one command. The scheduler
 * and the catalog know only this port; the machine implements it with a transaction over memory and LevelDB.
 */
import type { LogTime } from "./types.ts";

/** Rows inside one command. Reads see the command's own writes; a refused command's writes are dropped as a whole. */
export interface Rows {
  get(key: string): unknown;
  /** The row must be plain data; its `undefined` fields are left out. */
  put(key: string, row: unknown): void;
  delete(key: string): void;
  /** The rows of a hot table, or of one part of it (`query/j42`), ascending by id. Never of a cold table. */
  group(name: string): readonly (readonly [id: string, row: unknown])[];
}

/** The log entry that is being applied: its index, and log time as of it. */
export interface Stamp {
  readonly index: number;
  readonly now: LogTime;
}

/** A table's name and the type of its rows: the one place where an untyped row becomes a typed one. */
export class Table<Row> {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  key(id: string): string {
    return `${this.name}/${id}`;
  }

  get(rows: Rows, id: string): Row | undefined {
    return rows.get(this.key(id)) as Row | undefined;
  }

  put(rows: Rows, id: string, row: Row): void {
    rows.put(this.key(id), row);
  }

  delete(rows: Rows, id: string): void {
    rows.delete(this.key(id));
  }

  /** The rows of this hot table, or of its part `part`, ascending by id. */
  list(rows: Rows, part?: string): readonly (readonly [id: string, row: Row])[] {
    const name = part === undefined ? this.name : this.key(part);
    return rows.group(name) as readonly (readonly [id: string, row: Row])[];
  }
}

/** A number as part of a key: LevelDB's order of bytes is then the order of numbers. */
export function padded(n: number, digits: number): string {
  return String(n).padStart(digits, "0");
}
