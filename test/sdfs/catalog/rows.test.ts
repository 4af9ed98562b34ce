/** The list of chunks that want copies goes along with the chunks. */
import test from "ava";
import { StoreId } from "../../../src/lib/types.ts";
import { HotRows } from "../../../src/machine/tables.ts";
import { Transaction } from "../../../src/machine/transaction.ts";
import { writeChunk } from "../../../src/sdfs/catalog/rows.ts";
import { hashOf } from "../../machine/fixtures.ts";

test("a chunk that nothing names is not listed for repair, and leaves the list when it becomes so", (t) => {
  const tx = new Transaction(new HotRows(), { get: () => undefined });
  const few = { hash: hashOf(1), bytes: 1, stores: [StoreId("s1")], references: 1 };
  const key = `lacking/${few.hash}`;
  writeChunk(tx, undefined, { ...few, references: 0 });
  t.is(tx.get(key), undefined);
  writeChunk(tx, { ...few, references: 0 }, few);
  t.is(tx.get(key), 1);
  writeChunk(tx, few, { ...few, references: 0 });
  t.is(tx.get(key), undefined);
});
