/**
 * Rows in LevelDB's order, in memory: a list of short sorted leaves. A view of a moment costs nothing: it keeps the leaves
 * as they are, and whoever writes afterwards copies the one leaf that changes.
 */
import type { KeyRange } from "../../../src/node/stores/database.ts";

/** Rows to a leaf: arbitrary; an insertion moves half as many, and a thousand rows are some ten leaves. */
const leafRows = 128;

interface Leaf {
  /** Whose it is to change. */
  readonly owner: object;
  readonly keys: string[];
  readonly values: Uint8Array[];
}

/** Rows as of one moment; nobody changes them. */
export type FrozenRows = readonly Leaf[];

export type Row = readonly [key: string, value: Uint8Array];

export class SortedRows {
  #leaves: Leaf[];
  /** Replaced by each view: what was made before is shared from then on. */
  #owner: object = {};
  #isShared: boolean;

  constructor(rows: FrozenRows = []) {
    this.#leaves = rows as Leaf[];
    this.#isShared = true;
  }

  get(key: string): Uint8Array | undefined {
    return rowOf(this.#leaves, key);
  }

  put(key: string, value: Uint8Array): void {
    const ordered = toOrder(key);
    const at = this.#own(leafOf(this.#leaves, ordered));
    const leaf = this.#leaves[at];
    if (leaf === undefined) {
      this.#leaves.push({ owner: this.#owner, keys: [ordered], values: [value] });
      return;
    }
    const place = lowerBound(leaf.keys, ordered);
    if (leaf.keys[place] === ordered) {
      leaf.values[place] = value;
      return;
    }
    leaf.keys.splice(place, 0, ordered);
    leaf.values.splice(place, 0, value);
    if (leaf.keys.length > leafRows) this.#split(leaf, { at, place });
  }

  delete(key: string): void {
    const ordered = toOrder(key);
    const found = leafOf(this.#leaves, ordered);
    const place = lowerBound(this.#leaves[found]?.keys ?? [], ordered);
    if (this.#leaves[found]?.keys[place] !== ordered) return;
    const at = this.#own(found);
    const leaf = this.#leaves[at];
    leaf?.keys.splice(place, 1);
    leaf?.values.splice(place, 1);
    if (leaf?.keys.length === 0) this.#leaves.splice(at, 1);
  }

  /** The rows as they are now. */
  freeze(): FrozenRows {
    this.#owner = {};
    this.#isShared = true;
    return this.#leaves;
  }

  /** Makes the list and one leaf its own, to be changed. */
  #own(at: number): number {
    if (this.#isShared) this.#leaves = [...this.#leaves];
    this.#isShared = false;
    const leaf = this.#leaves[at];
    if (leaf !== undefined && leaf.owner !== this.#owner)
      this.#leaves[at] = {
        owner: this.#owner,
        keys: [...leaf.keys],
        values: [...leaf.values],
      };
    return at;
  }

  #split({ keys, values }: Leaf, { at, place }: { at: number; place: number }): void {
    // What grows at its end, as a log does, leaves full leaves behind.
    const half = place === keys.length - 1 ? place : keys.length >> 1;
    const rest = { owner: this.#owner, keys: keys.splice(half), values: values.splice(half) };
    this.#leaves.splice(at + 1, 0, rest);
  }
}

export function rowOf(rows: FrozenRows, key: string): Uint8Array | undefined {
  const ordered = toOrder(key);
  const leaf = rows[leafOf(rows, ordered)];
  if (leaf === undefined) return undefined;
  const place = lowerBound(leaf.keys, ordered);
  return leaf.keys[place] === ordered ? leaf.values[place] : undefined;
}

/** The rows of a range, in its direction. */
export function* rowsIn(rows: FrozenRows, range: Omit<KeyRange, "snapshot">): Generator<Row> {
  const from = toOrder(range.gt ?? range.gte ?? "");
  const to = range.lt === undefined ? undefined : toOrder(range.lt);
  const isBelow = (key: string): boolean => key < from || (range.gt !== undefined && key === from);
  if (range.reverse === true) {
    for (let at = to === undefined ? rows.length - 1 : leafOf(rows, to); at >= 0; at -= 1) {
      const { keys, values } = rows[at] as Leaf;
      const end = to === undefined ? keys.length : lowerBound(keys, to);
      for (let i = end - 1; i >= 0; i -= 1) {
        if (isBelow(keys[i] as string)) return;
        yield [fromOrder(keys[i] as string), values[i] as Uint8Array];
      }
    }
    return;
  }
  for (let at = leafOf(rows, from); at < rows.length; at += 1) {
    const { keys, values } = rows[at] as Leaf;
    for (let i = lowerBound(keys, from); i < keys.length; i += 1) {
      const key = keys[i] as string;
      if (to !== undefined && key >= to) return;
      if (!isBelow(key)) yield [fromOrder(key), values[i] as Uint8Array];
    }
  }
}

/** The last leaf that begins at or before a key; the first one if none does. */
function leafOf(rows: FrozenRows, ordered: string): number {
  let low = 0;
  let high = rows.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.keys[0] as string) <= ordered) low = middle;
    else high = middle;
  }
  return low;
}

/** The place of the first key that is not below another. */
function lowerBound(keys: readonly string[], ordered: string): number {
  let low = 0;
  let high = keys.length;
  // Most writes to a log go to its end.
  if (high > 0 && (keys[high - 1] as string) < ordered) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < ordered) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Code units whose order is not that of their UTF-8 bytes: surrogates stand for what comes after all others. */
const unordered = /[\ud800-\uffff]/;

/** The key as a string whose order by code units is the order of the key's UTF-8 bytes. */
function toOrder(key: string): string {
  return unordered.test(key)
    ? mapUnits(key, (unit) => (unit >= 0xe000 ? unit - 0x800 : unit + 0x2000))
    : key;
}

function fromOrder(ordered: string): string {
  return unordered.test(ordered)
    ? mapUnits(ordered, (unit) => (unit >= 0xf800 ? unit - 0x2000 : unit + 0x800))
    : ordered;
}

function mapUnits(text: string, map: (unit: number) => number): string {
  let mapped = "";
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    mapped += String.fromCharCode(unit < 0xd800 ? unit : map(unit));
  }
  return mapped;
}
