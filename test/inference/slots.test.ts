import test from "ava";
import { Slots } from "../../src/inference/slots.ts";

interface Item {
  readonly order: number;
  readonly express: boolean;
}
const item = (order: number, express = false): Item => ({ order, express });

function filled(slots: number, items: number): { readonly slots: Slots<Item>; items: Item[] } {
  const result = new Slots<Item>(slots, false);
  const all = Array.from({ length: items }, (_, i) => item(i));
  for (const one of all) result.add(one);
  return { slots: result, items: all };
}

test("idle threads get work before any thread reads ahead", (t) => {
  const { slots, items } = filled(2, 5);
  t.deepEqual(
    slots.assign().map(({ slot, item: { order } }) => [slot, order]),
    [
      [0, 0],
      [1, 1],
      [0, 2],
      [1, 3],
    ],
  );
  t.deepEqual(slots.waiting, [items[4]!]);
  t.deepEqual(slots.assign(), []);
});

test("when the first is done, the one read ahead runs and the next is read ahead", (t) => {
  const { slots, items } = filled(1, 3);
  slots.assign();
  slots.remove(items[0]!);
  t.deepEqual(slots.heads(), [{ slot: 0, item: items[1]! }]);
  t.deepEqual(slots.assign(), [{ slot: 0, item: items[2]! }]);
});

test("what comes back waits before what came later", (t) => {
  const { slots, items } = filled(1, 4);
  slots.assign();
  const { begun, notBegun } = slots.lose();
  t.deepEqual(begun, [items[0]!]);
  t.deepEqual(notBegun, [items[1]!]);
  for (const one of [...notBegun, ...begun]) slots.add(one);
  t.deepEqual(slots.waiting, items);
});

test("an idle thread makes what another holds ahead misplaced, unless something waits", (t) => {
  const { slots, items } = filled(2, 4);
  t.is(slots.misplaced(), undefined);
  slots.assign();
  t.is(slots.misplaced(), undefined);
  slots.remove(items[1]!);
  slots.remove(items[3]!);
  t.deepEqual(slots.misplaced(), { slot: 0, item: items[2]! });
  slots.add(item(9));
  t.is(slots.misplaced(), undefined);
});

test("an express request goes to the spare thread when every other is busy, one at a time", (t) => {
  const slots = new Slots<Item>(1, true);
  const [first, second, express, another] = [item(0), item(1), item(2, true), item(3, true)];
  slots.add(express);
  t.deepEqual(
    slots.assign(),
    [{ slot: 0, item: express }],
    "an idle thread is as good as the spare, which stays free",
  );
  slots.remove(express);
  for (const one of [first, second, express, another]) slots.add(one);
  t.deepEqual(slots.assign(), [
    { slot: 0, item: first },
    { slot: 0, item: second },
  ]);
  t.deepEqual(slots.assign(), [{ slot: 1, item: express }]);
  t.deepEqual(slots.waiting, [another]);
  slots.remove(express);
  t.deepEqual(slots.assign(), [{ slot: 1, item: another }]);
  t.deepEqual(slots.lose(), { begun: [first, another], notBegun: [second] });
});

test("nothing but express requests goes to the spare thread, and nothing is taken back for it", (t) => {
  const slots = new Slots<Item>(1, true);
  for (let order = 0; order < 4; order += 1) slots.add(item(order));
  t.is(slots.assign().length, 2);
  t.deepEqual(slots.assign(), []);
  t.is(slots.misplaced(), undefined);
});
