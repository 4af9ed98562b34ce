/**
 * What LevelDB has on the disk, as far as it matters to whoever owns the database: tables, and a log of the batches since.
 *
 *  L1 a batch is in the log whole or not at all; a synced one, and all before it, outlast a loss of power;
 *  L2 of the others a loss of power leaves a prefix;
 *  L3 a damaged batch, and what follows it in its block, is skipped by the next opening without a word;
 *  L4 the check reports damage, but not in the last block of the log: that is what a crash looks like too;
 *  L5 opening, and from time to time writing, folds the log into the tables. A damaged table lacks rows, and is reported.
 */
import type { Random } from "../../../src/lib/random.ts";
import type { Operation } from "../../../src/node/stores/database.ts";
import { type FrozenRows, rowsIn, SortedRows } from "./sorted-rows.ts";

/** Of LevelDB's log format: a record that is damaged takes the rest of its block along. */
const blockBytes = 32 * 1024;
/** Of the same: what a batch has beside its keys and values. */
const batchHeadBytes = 19;
const operationBytes = 5;

/** When the log is folded into the tables. LevelDB waits for 4 MB; a simulated node does not write that much. */
const foldBatches = 100;
const foldBytes = 256 * 1024;

/** Rows that a damaged block of a table takes along: LevelDB's blocks have 4 KB. */
const tableBlockRows = 24;

interface LoggedBatch {
  readonly operations: readonly Operation[];
  readonly from: number;
  readonly to: number;
  isSynced: boolean;
  /** A sync of it failed: no later one will write it. */
  readonly isLost: boolean;
  damagedAt: number | undefined;
}

export class StoredDatabase {
  #tables: FrozenRows = [];
  #log: LoggedBatch[] = [];
  /** Rows of the tables that cannot be read any more. */
  readonly #missing = new Set<string>();
  readonly #tableFaults: string[] = [];
  /** Whether somebody has it open. */
  isLocked: () => boolean = () => false;

  /** A batch that LevelDB has written to its log. */
  append(
    operations: readonly Operation[],
    { isSynced, isLost = false }: { readonly isSynced: boolean; readonly isLost?: boolean },
  ): void {
    const from = this.#logBytes;
    let to = from + batchHeadBytes;
    for (const operation of operations)
      to +=
        operation.key.length +
        operationBytes +
        (operation.type === "put" ? operation.value.length : 0);
    if (isSynced) for (const batch of this.#log) batch.isSynced ||= !batch.isLost;
    this.#log.push({ operations, from, to, isSynced, isLost, damagedAt: undefined });
  }

  get #logBytes(): number {
    return this.#log.at(-1)?.to ?? 0;
  }

  get mustFold(): boolean {
    return this.#log.length >= foldBatches || this.#logBytes >= foldBytes;
  }

  /** Writes all rows to tables, durably (L5). What a damaged block held is missing all the same, unless written since. */
  fold(rows: SortedRows): void {
    for (const { operations } of this.#log)
      for (const { key } of operations) this.#missing.delete(key);
    this.#log = [];
    this.#tables = rows.freeze();
  }

  /** The rows that LevelDB finds (L3, L5). */
  open(): SortedRows {
    const rows = new SortedRows(this.#tables);
    for (const key of this.#missing) rows.delete(key);
    this.#missing.clear();
    let skippedBlock = -1;
    for (const { operations, from, damagedAt } of this.#log) {
      if (damagedAt !== undefined) skippedBlock = blockOf(damagedAt);
      if (damagedAt !== undefined || blockOf(from) === skippedBlock) continue;
      for (const operation of operations)
        if (operation.type === "put") rows.put(operation.key, operation.value);
        else rows.delete(operation.key);
    }
    this.fold(rows);
    return rows;
  }

  /** L2. With `tears` the first batch that is lost may leave a damaged record, which counts if it is a long one (L4). */
  losePower(random: Random, tears: boolean): void {
    const unsynced = this.#log.findIndex(({ isSynced }) => !isSynced);
    if (unsynced < 0) return;
    const lost = this.#log.findIndex(({ isLost }) => isLost);
    const most = (lost < 0 ? this.#log.length : lost) - unsynced;
    const [torn] = this.#log.splice(unsynced + random.between(0, most));
    for (const batch of this.#log) batch.isSynced = true;
    if (torn === undefined || !tears || random.chance(1, 2)) return;
    this.#log.push({ ...torn, isSynced: true, damagedAt: random.between(torn.from, torn.to - 1) });
  }

  /** L4. What is wrong, for people. */
  check(): string[] {
    const lastBlock = blockOf(this.#logBytes - 1);
    const faults = this.#log
      .map(({ damagedAt }) => damagedAt)
      .filter((at) => at !== undefined && blockOf(at) !== lastBlock)
      .map((at) => `000004.log: byte ${at}: the CRC of a record does not match`);
    return [...this.#tableFaults, ...faults];
  }

  /**
   * Damages one durable batch of the log. Says which; undefined: there is none.
   * @param upTo the last batch that may rot is the one that wrote this key. Default: the last of all
   */
  damageBatch(random: Random, upTo?: string): string | undefined {
    const last =
      upTo === undefined
        ? this.#log.length - 1
        : this.#log.findLastIndex(({ operations }) => operations.some(({ key }) => key === upTo));
    const batch = random.pick(this.#log.slice(0, last + 1).filter((each) => each.isSynced));
    if (batch === undefined) return undefined;
    batch.damagedAt = random.between(batch.from, batch.to - 1);
    return `a batch of ${batch.operations.length} at byte ${batch.damagedAt}`;
  }

  /** Damages one block of the tables. Says which; undefined: there is none. */
  damageTable(random: Random): string | undefined {
    const keys = [...rowsIn(this.#tables, {})].map(([key]) => key);
    if (keys.length === 0) return undefined;
    const from = random.between(0, keys.length - 1);
    const block = keys.slice(from, from + tableBlockRows);
    for (const key of block) this.#missing.add(key);
    this.#tableFaults.push(`000005.ldb: the block of ${keys[from] ?? ""}: its CRC does not match`);
    return `the block of ${keys[from] ?? ""}, ${block.length} rows`;
  }

  /** As a process would copy the files. */
  copy(): StoredDatabase {
    const copy = new StoredDatabase();
    copy.#tables = this.#tables;
    copy.#log = this.#log.map((batch) => ({ ...batch, isSynced: true, isLost: false }));
    for (const key of this.#missing) copy.#missing.add(key);
    copy.#tableFaults.push(...this.#tableFaults);
    return copy;
  }
}

function blockOf(at: number): number {
  return Math.floor(at / blockBytes);
}
