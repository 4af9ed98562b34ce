/** Where copies go and what repair plans. L1 to L3 are numbered in placement.ts, R1 to R3 in repair.ts. */
import test from "ava";
import fc from "fast-check";
import { type ChunkHash, StoreId } from "../../../src/lib/types.ts";
import { type Candidate, place } from "../../../src/sdfs/catalog/placement.ts";
import { type StoreStatus, planRepair } from "../../../src/sdfs/catalog/repair.ts";
import { hashOf } from "../../machine/fixtures.ts";
import { holds } from "../../lib/property.ts";

const candidate = (n: number, more: Partial<StoreStatus> = {}): StoreStatus => ({
  store: StoreId(`s${n}`),
  node: `n${n}`,
  weight: 1,
  live: true,
  leaving: false,
  ...more,
});
const stores = fc
  .array(
    fc.record({
      weight: fc.integer({ min: 0, max: 100 }),
      domain: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
      live: fc.boolean(),
      leaving: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((more, n) => candidate(n, more)));
const hash = fc.nat(1_000_000).map(hashOf);
const copies = fc.integer({ min: 0, max: 5 });
const chosen = (all: readonly Candidate[], ids: readonly StoreId[]) =>
  ids.map((id) => all.find(({ store }) => store === id)!);
const domainOf = ({ domain, node }: Candidate) => domain ?? `node ${node}`;

test("copies go to as many distinct nodes with weight as are wanted and there are (L1)", (t) => {
  holds(
    t,
    fc.property(hash, stores, copies, (h, all, n) => {
      const nodes = chosen(all, place(h, all, n)).map(({ node }) => node);
      t.is(new Set(nodes).size, nodes.length);
      t.is(nodes.length, Math.min(n, all.filter(({ weight }) => weight > 0).length));
    }),
    300,
  );
});

test("two stores of one node never share a chunk (L1)", (t) => {
  const all = [candidate(1), candidate(2, { node: "n1" }), candidate(3)];
  for (let n = 0; n < 50; n += 1) {
    const nodes = chosen(all, place(hashOf(n), all, 3)).map(({ node }) => node);
    t.deepEqual(nodes.toSorted(), ["n1", "n3"]);
  }
});

test("no domain has a second copy while another has none (L2)", (t) => {
  holds(
    t,
    fc.property(hash, stores, copies, (h, all, n) => {
      const usable = all.filter(({ weight }) => weight > 0);
      const taken = chosen(all, place(h, all, n));
      const size = (list: readonly Candidate[], domain: string) =>
        list.filter((c) => domainOf(c) === domain).length;
      const most = Math.max(0, ...taken.map((c) => size(taken, domainOf(c))));
      for (const c of usable) {
        const had = size(taken, domainOf(c));
        t.true(had >= Math.min(most - 1, size(usable, domainOf(c))));
      }
    }),
    300,
  );
});

test("when a store goes, the other copies stay where they are (L3)", (t) => {
  holds(
    t,
    fc.property(hash, stores, copies, fc.nat(11), (h, all, n, gone) => {
      const before = place(h, all, n);
      const after = place(
        h,
        all.filter((_, i) => i !== gone),
        n,
      );
      for (const store of before) if (store !== StoreId(`s${gone}`)) t.true(after.includes(store));
    }),
    300,
  );
});

test("the order of candidates does not matter", (t) => {
  holds(
    t,
    fc.property(hash, stores, copies, (h, all, n) => {
      t.deepEqual(place(h, all.toReversed(), n), place(h, all, n));
    }),
    100,
  );
});

test("shares are proportional to weights", (t) => {
  const all = [1, 2, 3, 4].map((n) => candidate(n, { weight: n }));
  const counts = [0, 0, 0, 0, 0];
  for (let n = 0; n < 10_000; n += 1) {
    const [first] = place(hashOf(n), all, 1);
    const at = Number(first?.slice(1));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  // 1,000 × weight; five standard deviations of the largest are 245.
  for (const n of [1, 2, 3, 4]) t.true(Math.abs((counts[n] ?? 0) - 1_000 * n) < 250, counts.join());
});

const chunks = fc
  .array(
    fc.record({
      stores: fc.uniqueArray(fc.nat(11), { maxLength: 5 }),
      references: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 20 },
  )
  .map((list) =>
    list.map((c, n) => ({
      hash: hashOf(n),
      bytes: 1,
      references: c.references,
      stores: c.stores.map((s) => StoreId(`s${s}`)),
    })),
  );

test("repair brings every reachable chunk to its copies, and plans nothing else (R1, R2)", (t) => {
  holds(
    t,
    fc.property(chunks, stores, copies, (list, all, wanted) => {
      const plan = planRepair(list, all, { copies: wanted, limit: 1_000 }).copies;
      const live = new Set(all.filter((s) => s.live).map(({ store }) => store));
      const leaving = new Set(all.filter((s) => s.leaving).map(({ store }) => store));
      const usable = all.filter((s) => s.live && !s.leaving && s.weight > 0).length;
      for (const chunk of list) {
        const sources = chunk.stores.filter((s) => live.has(s));
        const holders = sources.filter((s) => !leaving.has(s));
        const mine = plan.filter((c) => c.hash === chunk.hash);
        for (const copy of mine) {
          t.deepEqual(copy.from, sources);
          t.true(live.has(copy.to) && !leaving.has(copy.to) && !chunk.stores.includes(copy.to));
        }
        const idle = chunk.references === 0 || sources.length === 0;
        const full = holders.filter((s) => all.some((a) => a.store === s && a.weight <= 0)).length;
        const room = usable + full - holders.length;
        const missing = Math.max(0, Math.min(wanted - holders.length, room));
        t.is(new Set(mine.map((c) => c.to)).size, idle ? 0 : missing);
      }
    }),
    300,
  );
});

test("the most endangered chunk comes first (R3), and the plan ends at its limit", (t) => {
  const all = [1, 2, 3, 4, 5].map((n) => candidate(n));
  const chunk = (n: number, at: readonly number[]) => ({
    hash: hashOf(n),
    bytes: 1,
    references: 1,
    stores: at.map((s) => StoreId(`s${s}`)),
  });
  const list = [chunk(1, [1, 2, 3]), chunk(2, [4]), chunk(3, [2, 5])];
  const order = (limit: number, of = list): ChunkHash[] =>
    planRepair(of, all, { copies: 4, limit }).copies.map((c) => c.hash);
  t.deepEqual(order(10), [2, 2, 2, 3, 3, 1].map(hashOf));
  t.deepEqual(order(4), [2, 2, 2, 3].map(hashOf));
  t.deepEqual(
    order(10, [chunk(5, [1, 2, 3]), ...list.toReversed()]),
    [2, 2, 2, 3, 3, 1, 5].map(hashOf),
  );
});

test("a copy on a node that has just gone down counts, unless few others do (R4)", (t) => {
  const all = [1, 2, 3, 4, 5, 6].map((n) =>
    candidate(n, n < 3 ? { live: false, absent: true, weight: 0 } : {}),
  );
  const chunk = (n: number, at: readonly number[]) => ({
    hash: hashOf(n),
    bytes: 1,
    references: 1,
    stores: at.map((s) => StoreId(`s${s}`)),
  });
  const plan = (at: readonly number[]): number =>
    planRepair([chunk(1, at)], all, { copies: 4, limit: 10 }).copies.length;
  t.is(plan([1, 3, 4, 5]), 0, "three are left");
  t.is(plan([1, 2, 3, 4]), 2, "two are left");
  t.is(plan([1, 2, 3]), 3, "one is left");
  t.is(plan([1, 2]), 0, "nobody to copy from");
});

test("two stores of one node are one copy: such a chunk comes before one on two nodes (R3)", (t) => {
  const all = [1, 2, 3, 4, 5].map((n) => candidate(n, n < 4 ? { node: "n1" } : {}));
  const chunk = (n: number, at: readonly number[]) => ({
    hash: hashOf(n),
    bytes: 1,
    references: 1,
    stores: at.map((s) => StoreId(`s${s}`)),
  });
  const list = [chunk(1, [3, 4]), chunk(2, [1, 2, 3])];
  const plan = planRepair(list, all, { copies: 3, limit: 10 }).copies;
  t.deepEqual(
    plan.map((c) => c.hash),
    [2, 2].map(hashOf).concat(hashOf(1)),
  );
});

test("a store that comes takes copies for itself only, one for one (L3)", (t) => {
  // Without domains; what comes to a domain may move that domain's copies among the others (L2).
  const plain = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 10 });
  holds(
    t,
    fc.property(hash, plain, fc.integer({ min: 1, max: 100 }), copies, (h, weights, weight, n) => {
      const all = weights.map((each, i) => candidate(i, { weight: each }));
      const before = place(h, all, n);
      const after = place(h, [...all, candidate(99, { weight })], n);
      const came = StoreId("s99");
      t.deepEqual(
        after.filter((store) => store !== came),
        after.includes(came) ? before.slice(0, n - 1).slice(0, after.length - 1) : before,
      );
    }),
    300,
  );
});

test("a store that becomes larger loses no chunk, one that becomes smaller gains none", (t) => {
  const plain = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 8 });
  holds(
    t,
    fc.property(hash, plain, fc.nat(7), copies, (h, weights, who, n) => {
      const all = weights.map((weight, i) => candidate(i, { weight }));
      const which = who % all.length;
      const larger = all.map((c, i) => (i === which ? { ...c, weight: 2 * c.weight } : c));
      const store = StoreId(`s${which}`);
      t.true(!place(h, all, n).includes(store) || place(h, larger, n).includes(store));
    }),
    300,
  );
});

test("a plan goes from fewer copies to more, and ends in them only at its limit (R3)", (t) => {
  holds(
    t,
    fc.property(
      chunks,
      stores,
      copies,
      fc.integer({ min: 0, max: 12 }),
      (list, all, wanted, limit) => {
        const plan = planRepair(list, all, { copies: wanted, limit }).copies;
        const whole = planRepair(list, all, { copies: wanted, limit: 1_000 }).copies;
        t.deepEqual(plan, whole.slice(0, limit));
        const counted = new Set(all.filter((s) => s.live && !s.leaving).map(({ store }) => store));
        const copiesOf = ({ hash: of }: { readonly hash: ChunkHash }): number =>
          list.find((c) => c.hash === of)?.stores.filter((s) => counted.has(s)).length ?? NaN;
        for (const [i, copy] of whole.entries())
          t.true(i === 0 || copiesOf(whole[i - 1]!) <= copiesOf(copy));
      },
    ),
    300,
  );
});

test("a chunk waits for room when the disks that could take its copies are full (R5)", (t) => {
  const on = [1, 2].map((n) => StoreId(`s${n}`));
  const chunk = { hash: hashOf(1), bytes: 1, references: 1, stores: on };
  const plan = (full: readonly number[], nodes = 5) => {
    const all = Array.from({ length: nodes }, (_, i) =>
      candidate(i + 1, { weight: full.includes(i + 1) ? 0 : 1 }),
    );
    const { copies, wanting, heldUp } = planRepair([chunk], all, { copies: 4, limit: 10 });
    return [copies.length, wanting, heldUp];
  };
  t.deepEqual(plan([]), [2, 1, 0]);
  t.deepEqual(plan([3]), [2, 1, 0], "there are others");
  t.deepEqual(plan([3, 4]), [1, 1, 1]);
  t.deepEqual(plan([3, 4, 5]), [0, 1, 1]);
  t.deepEqual(plan([], 3), [1, 1, 0]);
  t.deepEqual(plan([], 2), [0, 0, 0], "more than there are nodes cannot be");
});
