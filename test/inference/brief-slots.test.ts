/** What threads hold of requests that take a few milliseconds, and what of it may have begun. */
import test from "ava";
import { BRIEF_PER_SLOT, Slots, type Slotted } from "../../src/inference/slots.ts";

function item(order: number, brief = false): Slotted {
  return { order, express: false, brief, job: `job ${order}`, cancelled: false };
}

/** Slots that hold these, none of them a spare. */
function holding(slots: number, items: readonly Slotted[]): Slots<Slotted> {
  const result = new Slots<Slotted>(slots, false);
  give(result, items);
  return result;
}

function give(slots: Slots<Slotted>, items: readonly Slotted[]): void {
  for (const one of items) slots.add(one);
  slots.assign();
}

test("of brief ones a thread holds more, and behind them one that is not; nothing passes that", (t) => {
  const brief = Array.from({ length: BRIEF_PER_SLOT }, (_, i) => item(i, true));
  const [long, later] = [item(20), item(21, true)];
  const slots = holding(1, [...brief, long, later]);
  t.deepEqual(slots.waiting, [long, later]);
  const [first, ...rest] = brief;
  slots.remove(first!);
  slots.assign();
  t.is(slots.slotOf(long), 0);
  t.deepEqual(slots.waiting, [later]);
  for (const one of rest) slots.remove(one);
  slots.assign();
  t.deepEqual(slots.waiting, [], "one ahead");
});

test("behind brief ones, whose answers may have been on their way, the next may have begun", (t) => {
  const items = [item(0, true), item(1), item(2), item(3)];
  const { begun, notBegun } = holding(2, items).lose();
  t.deepEqual(
    begun.map(({ order }) => order),
    [0, 2, 1],
  );
  t.deepEqual(
    notBegun.map(({ order }) => order),
    [3],
  );
});
