/** Moves of copies, and how stores are weighed. B1 and B2 are numbered in balance.ts. */
import test from "ava";
import fc from "fast-check";
import { StoreId } from "../../../src/lib/types.ts";
import { beyond, planMoves } from "../../../src/sdfs/catalog/balance.ts";
import { type Candidate, place } from "../../../src/sdfs/catalog/placement.ts";
import { roomToSay } from "../../../src/sdfs/catalog/room.ts";
import type { ChunkRecord } from "../../../src/sdfs/catalog/types.ts";
import { holds } from "../../lib/property.ts";
import { hashOf } from "../../machine/fixtures.ts";

const candidate = (n: number, more: Partial<Candidate> = {}): Candidate => ({
  store: StoreId(`s${n}`),
  node: `n${n}`,
  weight: 1,
  ...more,
});
const stores = fc
  .array(
    fc.record({
      weight: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 100 })),
      domain: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((list) => list.map((more, n) => candidate(n, more)));
const hash = fc.nat(1_000_000).map(hashOf);
const chunkOn = (n: number, on: readonly StoreId[], references = 1): ChunkRecord => ({
  hash: hashOf(n),
  bytes: 10,
  stores: on,
  references,
});

/** Makes a move as repair and trimming do: the copy first, then one is given up. */
function moved(chunk: ChunkRecord, all: readonly Candidate[], copies: number, to: StoreId) {
  const on = [...chunk.stores, to];
  const holders = on.flatMap((id) => all.find(({ store }) => store === id) ?? []);
  const going = beyond(chunk.hash, holders, copies);
  return { ...chunk, stores: on.filter((id) => !going.includes(id)) };
}

test("so many copies go as there are beyond the wanted ones: first those on full disks", (t) => {
  holds(
    t,
    fc.property(hash, stores, fc.integer({ min: 1, max: 5 }), (h, all, copies) => {
      const going = beyond(h, all, copies);
      t.is(going.length, Math.max(0, all.length - copies));
      const full = all.filter(({ weight }) => weight === 0).length;
      const goingFull = going.filter(
        (id) => all.find(({ store }) => store === id)?.weight === 0,
      ).length;
      t.is(goingFull, Math.min(full, going.length));
    }),
    300,
  );
});

test("moves bring every chunk to where nothing is left to move, and never change its number of copies", (t) => {
  holds(
    t,
    fc.property(
      fc.nat(1_000_000),
      stores,
      fc.integer({ min: 1, max: 4 }),
      fc.nat(1_000),
      (n, all, copies, turn) => {
        fc.pre(all.length >= copies);
        const some = [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)];
        let chunk = chunkOn(
          n,
          some.slice(0, copies).map(({ store }) => store),
        );
        let steps = 0;
        for (let [move] = planMoves([chunk], all, copies); move !== undefined; steps += 1) {
          t.false(chunk.stores.includes(move.to));
          t.true(place(chunk.hash, all, copies).includes(move.to), "B2");
          chunk = moved(chunk, all, copies, move.to);
          t.true(chunk.stores.includes(move.to), "B2");
          t.is(chunk.stores.length, copies);
          t.true(steps <= copies, "it ends");
          [move] = planMoves([chunk], all, copies);
        }
        const roomy = all.filter(({ weight, domain }) => weight > 0 && domain === undefined);
        // Without failure domains the end is placement's own choice.
        if (roomy.length === all.length)
          t.deepEqual(chunk.stores.toSorted(), [...place(chunk.hash, all, copies)].toSorted());
      },
    ),
    1_000,
  );
});

test("what is not whole, and what nobody names, does not move (B1)", (t) => {
  const all = [1, 2, 3, 4, 5, 6].map((n) => candidate(n));
  const id = (n: number) => StoreId(`s${n}`);
  for (let n = 0; n < 30; n += 1) {
    t.deepEqual(planMoves([chunkOn(n, [id(1), id(2), id(3)])], all, 4), []);
    t.deepEqual(planMoves([chunkOn(n, [1, 2, 3, 4, 5].map(id))], all, 4), []);
    t.deepEqual(planMoves([chunkOn(n, [1, 2, 3, 9].map(id))], all, 4), [], "one is not live");
    t.deepEqual(planMoves([chunkOn(n, [1, 2, 3, 4].map(id), 0)], all, 4), []);
  }
});

test("a node that joins gets its share, and no copy moves between the others", (t) => {
  const before = [1, 2, 3, 4, 5].map((n) => candidate(n));
  const all = [...before, candidate(6)];
  const chunks = Array.from({ length: 600 }, (_, n) => chunkOn(n, place(hashOf(n), before, 4)));
  const moves = planMoves(chunks, all, 4);
  t.deepEqual([...new Set(moves.map(({ to }) => to))], [StoreId("s6")]);
  // 600 × 4 / 6 = 400; five standard deviations are 58.
  t.true(Math.abs(moves.length - 400) < 58, String(moves.length));
});

test("a full disk is relieved", (t) => {
  const all = [1, 2, 3, 4, 5].map((n) => candidate(n, { weight: n === 1 ? 0 : 1 }));
  const on = [1, 2, 3, 4].map((n) => StoreId(`s${n}`));
  const [move] = planMoves([chunkOn(7, on)], all, 4);
  t.is(move?.to, StoreId("s5"));
  const after = moved(chunkOn(7, on), all, 4, StoreId("s5"));
  t.deepEqual(
    after.stores,
    [2, 3, 4, 5].map((n) => StoreId(`s${n}`)),
  );
});

test("a room is said again only when it is a whole step away, and is right to half a step then", (t) => {
  holds(
    t,
    fc.property(fc.array(fc.integer({ min: -5, max: 2 ** 50 }), { maxLength: 40 }), (rooms) => {
      let said: number | undefined;
      for (const bytes of rooms) {
        const next = roomToSay(bytes, said);
        if (bytes <= 0) t.is(next, 0);
        else {
          t.true(next > 0 && Number.isInteger(next));
          t.true(Math.abs(Math.log2(bytes / next)) <= 0.5, `${bytes} as ${next}`);
          if (next !== said && bytes > 64)
            t.true(Math.abs(Math.log2(bytes / next)) <= 0.14, `${bytes} as ${next}`);
        }
        t.is(roomToSay(bytes, next), next, "it does not waver");
        said = next;
      }
    }),
    300,
  );
});
