/** Which places of a search are worth another look. */
import test from "ava";
import { Memo, Placed } from "./memo.ts";

function placed(size: number, numbers: readonly number[]): Placed {
  const set = new Placed(size);
  for (const n of numbers) set.add(n);
  return set;
}

test("a place is new once, whatever the order in which it was reached", (t) => {
  const memo = new Memo();
  t.true(memo.isNew(placed(70, [1, 40, 69]), placed(3, []), "s"));
  t.false(memo.isNew(placed(70, [69, 1, 40]), placed(3, []), "s"));
  t.true(memo.isNew(placed(70, [1, 40, 69]), placed(3, []), "other"));
  t.true(memo.isNew(placed(70, [1, 40]), placed(3, []), "s"));
});

test("to have spent fewer open operations, or others, is worth a look; to have spent more is not", (t) => {
  const memo = new Memo();
  const answered = placed(5, [2]);
  t.true(memo.isNew(answered, placed(40, [0, 35]), "s"));
  t.false(memo.isNew(answered, placed(40, [0, 3, 35]), "s"));
  t.true(memo.isNew(answered, placed(40, [0, 3]), "s"));
  t.true(memo.isNew(answered, placed(40, [35]), "s"));
  t.false(memo.isNew(answered, placed(40, [3, 35]), "s"));
});

test("what was taken back leaves no trace", (t) => {
  const set = placed(5, [1, 2]);
  set.add(4);
  set.remove(4);
  t.deepEqual([set.hash, set.count, set.has(4)], [placed(5, [1, 2]).hash, 2, false]);
});

test("sets of one hash are told apart", (t) => {
  const size = 40;
  const collision = collidingWithNothing(size);
  t.true(collision.length > 0);
  t.is(placed(size, collision).hash, placed(size, []).hash);
  const memo = new Memo();
  t.true(memo.isNew(placed(size, []), placed(1, []), "s"));
  t.true(memo.isNew(placed(size, collision), placed(1, []), "s"));
});

/** More than 32 hashes of 32 bits are linearly dependent: some of them cancel out, found by elimination. */
function collidingWithNothing(size: number): readonly number[] {
  const basis: { hash: number; of: readonly number[] }[] = [];
  for (let n = 0; n < size; n += 1) {
    let { hash } = placed(size, [n]);
    let of: readonly number[] = [n];
    for (const known of basis) {
      if ((hash ^ known.hash) >>> 0 >= hash) continue;
      hash = (hash ^ known.hash) >>> 0;
      of = [...of, ...known.of];
    }
    if (hash === 0) {
      const odd = new Map<number, number>();
      for (const each of of) odd.set(each, (odd.get(each) ?? 0) + 1);
      return [...odd].flatMap(([each, times]) => (times % 2 === 1 ? each : []));
    }
    basis.push({ hash, of });
    basis.sort((a, b) => b.hash - a.hash);
  }
  return [];
}
