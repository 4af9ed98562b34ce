import test from "ava";
import { Random } from "../../../src/lib/random.ts";
import { type FrozenRows, rowOf, rowsIn, SortedRows } from "./sorted-rows.ts";

const value = new Uint8Array(1);

function keysOf(rows: FrozenRows): string[] {
  return [...rowsIn(rows, {})].map(([key]) => key);
}

test("rows are what a map holds, in order, whatever was put and deleted", (t) => {
  const random = new Random(3);
  const rows = new SortedRows();
  const expected = new Map<string, Uint8Array>();
  for (let i = 0; i < 20_000; i += 1) {
    const key = String(random.between(0, 999));
    if (random.chance(2, 3)) {
      const put = Uint8Array.of(i);
      rows.put(key, put);
      expected.set(key, put);
    } else {
      rows.delete(key);
      expected.delete(key);
    }
  }
  t.deepEqual(keysOf(rows.freeze()), [...expected.keys()].sort());
  for (let i = 0; i < 1_000; i += 1) t.is(rows.get(String(i)), expected.get(String(i)));
});

test("a view stays as it was, through every change behind it", (t) => {
  const random = new Random(4);
  const rows = new SortedRows();
  const views: { readonly rows: FrozenRows; readonly keys: readonly string[] }[] = [];
  for (let i = 0; i < 4_000; i += 1) {
    const key = `k${random.between(0, 499)}`;
    if (random.chance(1, 2)) rows.put(key, value);
    else rows.delete(key);
    if (i % 400 !== 0) continue;
    const view = rows.freeze();
    views.push({ rows: view, keys: keysOf(view) });
  }
  for (const view of views) t.deepEqual(keysOf(view.rows), view.keys);
});

test("rows made from a view do not change it", (t) => {
  const first = new SortedRows();
  for (let i = 0; i < 300; i += 1) first.put(`k${i}`, value);
  const view = first.freeze();
  const second = new SortedRows(view);
  second.put("k7", Uint8Array.of(9));
  second.delete("k8");
  t.is(rowOf(view, "k7"), value);
  t.is(first.get("k8"), value);
  t.deepEqual(second.get("k7"), Uint8Array.of(9));
  t.is(second.get("k8"), undefined);
});
