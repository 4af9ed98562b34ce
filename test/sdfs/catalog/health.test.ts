/** What fsck makes of a chunk. */
import test from "ava";
import { StoreId } from "../../../src/lib/types.ts";
import { type ChunkHealth, healthOf, type StoreState } from "../../../src/sdfs/catalog/health.ts";

const up = (node: string): StoreState => ({ node, counts: true, readable: true });
const leaving = (node: string): StoreState => ({ node, counts: false, readable: true });
const down = (node: string): StoreState => ({ node, counts: false, readable: false });

function judge(on: readonly StoreState[], nodes: number): readonly [ChunkHealth, number] {
  const stores = new Map(on.map((state, i) => [StoreId(`s${i}`), state]));
  const { health, excess } = healthOf({ stores: [...stores.keys()] }, { stores, nodes });
  return [health, excess];
}

test("a chunk is whole with four copies, or one on each node when there are fewer", (t) => {
  const four = ["a", "b", "c", "d"].map(up);
  t.deepEqual(judge(four, 7), ["whole", 0]);
  t.deepEqual(judge([...four, up("e"), up("f")], 7), ["whole", 2]);
  t.deepEqual(judge(four.slice(1), 3), ["whole", 0]);
  t.deepEqual(judge(four.slice(1), 4), ["lacking", 0]);
});

test("two stores of one node are one copy, and those of nodes that leave or are down are none", (t) => {
  t.deepEqual(judge([up("a"), up("a"), up("b"), up("c")], 7), ["lacking", 0]);
  t.deepEqual(judge([up("a"), up("b"), up("c"), leaving("d")], 7), ["lacking", 0]);
  t.deepEqual(judge([up("a"), up("b"), up("c"), down("d")], 7), ["lacking", 0]);
});

test("unavailable comes back with a node, lost does not", (t) => {
  t.deepEqual(judge([leaving("a")], 7), ["lacking", 0]);
  t.deepEqual(judge([down("a"), down("b")], 7), ["unavailable", 0]);
  t.deepEqual(judge([], 7), ["lost", 0]);
  const gone = healthOf({ stores: [StoreId("s9")] }, { stores: new Map(), nodes: 1 });
  t.is(gone.health, "lost");
});
