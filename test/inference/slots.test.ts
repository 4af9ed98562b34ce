import test from "ava";
import fc from "fast-check";
import { Slots, type Slotted } from "../../src/inference/slots.ts";

interface Item extends Slotted {
  cancelled: boolean;
}
const item = (order: number, express = false, job = `job ${order}`, brief = false): Item => ({
  order,
  express,
  brief,
  job,
  cancelled: false,
});

/** Threads that hold a request of each of these jobs, in turn, beside an idle spare. */
function busy(slots: number, jobs: readonly string[]): { slots: Slots<Item>; items: Item[] } {
  const result = new Slots<Item>(slots, true);
  const items = jobs.map((job, order) => item(order, false, job));
  for (const one of items) result.add(one);
  result.assign();
  return { slots: result, items };
}

/** A newcomer on the spare thread. */
function newcomer(slots: Slots<Item>, order: number): Item {
  const one = item(order, true);
  slots.add(one);
  slots.assign();
  return one;
}

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
    [{ slot: 1, item: express }],
    "a slot may be idle for a moment only, and what runs on it is in everybody's way",
  );
  slots.remove(express);
  for (const one of [first, second, express, another]) slots.add(one);
  t.deepEqual(
    slots.assign(),
    [
      { slot: 0, item: first },
      { slot: 1, item: express },
      { slot: 0, item: second },
    ],
    "at once, also when all come together, as in a process that has just started",
  );
  t.deepEqual(slots.waiting, [another]);
  slots.remove(express);
  t.deepEqual(slots.assign(), [{ slot: 1, item: another }]);
  t.deepEqual(slots.lose(), { begun: [first, another], notBegun: [second] });
});

test("a newcomer waits for the first thread that is idle, behind nobody's query", (t) => {
  const slots = new Slots<Item>(1, true);
  const [old, first, second, later] = [item(0), item(1, true), item(2, true), item(3)];
  for (const one of [old, first, second]) slots.add(one);
  slots.assign();
  t.deepEqual(slots.ahead(), [], "the slot has room, but the spare thread may be idle before it");
  slots.remove(first);
  t.deepEqual(slots.assign(), [{ slot: 1, item: second }]);
  slots.add(first);
  slots.add(later);
  t.deepEqual(slots.assign(), [{ slot: 0, item: later }], "who came later is read ahead meanwhile");
  for (const one of [old, later]) slots.remove(one);
  t.deepEqual(slots.assign(), [{ slot: 0, item: first }]);
  const alone = new Slots<Item>(1, false);
  for (const one of [old, first]) alone.add(one);
  alone.assign();
  t.deepEqual(alone.ahead(), [{ slot: 0, item: first }], "there is no other thread to wait for");
});

test("nothing but express requests goes to the spare thread, and nothing is taken back for it", (t) => {
  const slots = new Slots<Item>(1, true);
  for (let order = 0; order < 4; order += 1) slots.add(item(order));
  t.is(slots.assign().length, 2);
  t.deepEqual(slots.assign(), []);
  t.is(slots.misplaced(), undefined);
});

test("a newcomer on the spare thread makes the slot of the busiest job yield", (t) => {
  const { slots } = busy(3, ["a", "b", "b"]);
  const express = newcomer(slots, 9);
  t.deepEqual(slots.yielding, { slot: 1, by: express, stopped: false }, "b runs in two slots");
  const { slots: held } = busy(2, ["a", "b", "a", "a"]);
  newcomer(held, 9);
  t.is(held.yielding?.slot, 0, "each runs in one, a holds more");
  const { slots: even } = busy(2, ["a", "b", "b", "a"]);
  newcomer(even, 9);
  t.is(even.yielding?.slot, 0, "alike in all: the one that began first");
});

test("neither a newcomer nor a cancelled request yields", (t) => {
  const { slots, items } = busy(2, []);
  t.deepEqual(items, []);
  const first = item(0, true);
  const second = item(1);
  for (const one of [first, second]) slots.add(one);
  slots.assign();
  second.cancelled = true;
  newcomer(slots, 2);
  t.is(slots.yielding, undefined);
});

test("the slot goes on when the newcomer has had a micro-batch, has ended, or a core is free", (t) => {
  for (const end of [
    (slots: Slots<Item>, express: Item) => slots.resume(express),
    (slots: Slots<Item>, express: Item) => slots.remove(express),
    (slots: Slots<Item>) => {
      for (const { item: one } of [...slots.heads(), ...slots.ahead()])
        if (one.job === "a") slots.remove(one);
      slots.assign();
      slots.endYieldBesideIdle();
    },
  ]) {
    const { slots } = busy(2, ["a", "b"]);
    const express = newcomer(slots, 9);
    t.not(slots.yielding, undefined);
    end(slots, express);
    t.is(slots.yielding, undefined);
  }
});

test("newcomers that wait for the spare thread make no slot yield", (t) => {
  const { slots } = busy(2, ["a", "b"]);
  const express = newcomer(slots, 7);
  const yielding = slots.yielding;
  newcomer(slots, 8);
  t.is(slots.yielding, yielding);
  slots.resume(express);
  slots.assign();
  t.is(slots.yielding, undefined, "nor does one yield twice to the same");
});

test("what stands still is innocent of the end of its process; what was only asked to is not", (t) => {
  const { slots, items } = busy(2, ["a", "b"]);
  const express = newcomer(slots, 9);
  slots.stopped(0, 8);
  t.false(slots.yielding?.stopped, "the word of an earlier yield");
  slots.stopped(0, 9);
  t.deepEqual(slots.lose(), { begun: [items[1]!, express], notBegun: [items[0]!] });
  t.is(slots.yielding, undefined);
  const { slots: asked, items: begun } = busy(1, ["a"]);
  const other = newcomer(asked, 9);
  t.deepEqual(asked.lose(), { begun: [begun[0]!, other], notBegun: [] });
});

test("what stood still is innocent until it has been told to go on, whatever became of the newcomer", (t) => {
  for (const isTold of [false, true]) {
    const { slots, items } = busy(1, ["a"]);
    const express = newcomer(slots, 9);
    slots.stopped(0, 9);
    slots.remove(express);
    t.is(slots.yielding, undefined);
    if (isTold) slots.goesOn(0);
    const [begun, notBegun] = isTold ? [items, []] : [[], items];
    t.deepEqual(slots.lose(), { begun, notBegun });
  }
});

const kinds = [
  "add",
  "add",
  "add brief",
  "add brief",
  "newcomer",
  "ends",
  "micro-batch",
  "stands",
  "cancel",
  "dies",
] as const;
interface Move {
  readonly kind: (typeof kinds)[number];
  readonly pick: number;
}

/** Slots on which anything may happen, checked after each move. */
class Bench {
  readonly #count: number;
  readonly #slots: Slots<Item>;
  #order = 0;
  #alive = 0;
  /** The thread that has said so, and was not told to go on. */
  #standing: number | undefined;

  constructor(count: number) {
    this.#count = count;
    this.#slots = new Slots(count, true);
  }

  /** @returns what is wrong */
  move({ kind, pick }: Move): string | undefined {
    const slots = this.#slots;
    const heads = slots.heads();
    const head = heads[pick % Math.max(1, heads.length)]?.item;
    const { yielding } = slots;
    if (kind === "add" || kind === "add brief" || kind === "newcomer") {
      const job = `job ${pick % 3}`;
      slots.add(item(this.#order, kind === "newcomer", job, kind === "add brief"));
      this.#order += 1;
      this.#alive += 1;
    } else if (kind === "ends" && head !== undefined) {
      slots.remove(head);
      this.#alive -= 1;
    } else if (kind === "micro-batch" && head !== undefined) slots.resume(head);
    else if (kind === "stands" && yielding !== undefined) {
      slots.stopped(yielding.slot, yielding.by.order);
      this.#standing = yielding.slot;
    } else if (kind === "cancel" && head !== undefined) head.cancelled = true;
    else if (kind === "dies") {
      const lists = new Map<number, Item[]>(heads.map(({ slot, item: one }) => [slot, [one]]));
      for (const { slot, item: one } of slots.ahead()) lists.get(slot)?.push(one);
      const { begun, notBegun } = slots.lose();
      const stands = this.#standing;
      this.#standing = undefined;
      for (const one of [...begun, ...notBegun]) slots.add(one);
      for (const [slot, list] of lists) {
        const isBegun = list.map((one) => begun.includes(one));
        const expected = list.map(
          (_, at) => slot !== stands && list.slice(0, at).every(({ brief }) => brief),
        );
        if (isBegun.join() !== expected.join()) return "begun: what is behind brief ones only";
      }
    }
    return undefined;
  }

  /** The request on the spare thread. */
  get newcomer(): Item | undefined {
    return this.#slots.heads().find(({ slot }) => slot === this.#count)?.item;
  }

  /** Hands out, and says what is wrong then. */
  check(): string | undefined {
    const slots = this.#slots;
    const before = { newcomer: this.newcomer, yielding: slots.yielding };
    slots.assign();
    const isIdle = slots.heads().filter(({ slot }) => slot < this.#count).length < this.#count;
    if (isIdle && slots.yielding !== before.yielding && slots.yielding !== undefined)
      return "Y3: made to yield beside an idle slot";
    slots.endYieldBesideIdle();
    const { yielding } = slots;
    const { newcomer: onSpare } = this;
    const ordinary = slots.heads().filter(({ slot }) => slot < this.#count);
    const began = onSpare !== undefined && onSpare !== before.newcomer;
    const couldYield = ordinary.some(({ item: { express, cancelled } }) => !express && !cancelled);
    if (yielding !== undefined) {
      if (yielding.slot >= this.#count || yielding.by !== onSpare) return "Y1";
      if (!began && yielding !== before.yielding) return "Y2: nobody began";
      if (ordinary.length < this.#count) return "Y3: a core is free";
      const { express } = ordinary.find(({ slot }) => slot === yielding.slot)!.item;
      if (began && express) return "Y3: a newcomer yields";
    } else if (began && couldYield && ordinary.length === this.#count) return "Y2: no slot yields";
    const all = [...slots.waiting, ...[...slots.heads(), ...slots.ahead()].map((one) => one.item)];
    return all.length === this.#alive && new Set(all).size === this.#alive ? undefined : "Y4";
  }
}

test("whatever happens, yielding keeps its invariants and nothing is lost", (t) => {
  const moves = fc.array(fc.record({ kind: fc.constantFrom(...kinds), pick: fc.nat(100) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), moves, (count, list) => {
      const bench = new Bench(count);
      for (const move of list) {
        t.is(bench.move(move), undefined, move.kind);
        t.is(bench.check(), undefined, move.kind);
      }
    }),
    { numRuns: 300 },
  );
});
