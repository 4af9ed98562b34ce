/** A failing list, made short. */
import test from "ava";
import fc from "fast-check";
import { runs } from "../../lib/property.ts";
import { shrink } from "./shrink.ts";

const plenty = { maxRuns: 10_000 };
const upTo = (length: number): number[] => Array.from({ length }, (_, n) => n);

test("one culprit among many is found in a few runs", async (t) => {
  const { items, runs: asked } = await shrink(upTo(1_000), (list) => list.includes(617), plenty);
  t.deepEqual(items, [617]);
  t.true(asked < 60, `${asked} runs`);
});

test("culprits that must come together are found wherever they are, in their order", async (t) => {
  const fails = (list: readonly number[]): boolean => [3, 50, 97].every((n) => list.includes(n));
  t.deepEqual((await shrink(upTo(100), fails, plenty)).items, [3, 50, 97]);
});

test("equal items are told apart by their places", async (t) => {
  const fails = (list: readonly string[]): boolean => list.filter((x) => x === "a").length >= 2;
  t.deepEqual((await shrink(["a", "b", "a", "b", "a"], fails, plenty)).items, ["a", "a"]);
});

test("what fails without anything becomes nothing", async (t) => {
  t.deepEqual(await shrink(upTo(50), () => true, plenty), { items: [], runs: 2 });
  t.deepEqual((await shrink([], () => true, plenty)).items, []);
});

test("a list that does not fail is refused", async (t) => {
  await t.throwsAsync(
    shrink(upTo(5), () => false, plenty),
    { message: /does not fail/ },
  );
});

test("an answer may take its time", async (t) => {
  const fails = async (list: readonly number[]): Promise<boolean> =>
    Promise.resolve(list.includes(4) && list.includes(5));
  t.deepEqual((await shrink(upTo(10), fails, plenty)).items, [4, 5]);
});

test("when the runs are spent, the shortest list so far is given, which fails", async (t) => {
  for (let maxRuns = 0; maxRuns <= 40; maxRuns += 1) {
    const fails = (list: readonly number[]): boolean => list.includes(7) && list.includes(58);
    const { items, runs: asked } = await shrink(upTo(64), fails, { maxRuns });
    t.true(fails(items));
    t.true(asked <= Math.max(1, maxRuns), `${asked} of ${maxRuns}`);
  }
});

test("no list is asked about twice", async (t) => {
  const asked: string[] = [];
  const fails = (list: readonly number[]): boolean => {
    asked.push(list.join(" "));
    return list.includes(2) && list.includes(13) && list.length % 3 !== 1;
  };
  await shrink(upTo(20), fails, plenty);
  t.is(new Set(asked).size, asked.length);
});

/** Some failure of lists of up to 24 numbers: monotone ones, and ones that come and go as things are left out. */
const failure = fc.oneof(
  fc.uniqueArray(fc.nat(23), { maxLength: 5 }).map(
    (culprits) =>
      (list: readonly number[]): boolean =>
        culprits.every((n) => list.includes(n)),
  ),
  fc.tuple(fc.nat(), fc.integer({ min: 2, max: 7 })).map(
    ([salt, modulus]) =>
      (list: readonly number[]): boolean =>
        list.reduce((sum, n) => (sum * 31 + n + salt) % 1_009, 7) % modulus !== 0,
  ),
);

test("the result fails, fails no more without any one item, and comes out alike each time", async (t) => {
  let tried = 0;
  const property = fc.asyncProperty(failure, fc.nat(24), async (fails, length) => {
    fc.pre(fails(upTo(length)));
    tried += 1;
    const { items, runs: asked } = await shrink(upTo(length), fails, plenty);
    t.true(fails(items));
    t.true(items.every((n, i) => i === 0 || n > (items[i - 1] ?? n)));
    for (const i of items.keys()) t.false(fails(items.toSpliced(i, 1)), items.join(" "));
    t.deepEqual(await shrink(upTo(length), fails, plenty), { items, runs: asked });
  });
  const seed = process.env["IDUNNO_SEED"];
  const numRuns = runs(500);
  await fc.assert(property, seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) });
  t.true(tried > 0);
});
