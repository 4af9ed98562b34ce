/** Percentiles are values that were measured, and say the worst when there are few. */
import test from "ava";
import fc from "fast-check";
import { median, percentile, spread, summarize } from "../../bench/statistics.ts";

const values = fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 200 });

test("a percentile is a value of the list that at least so many per cent do not exceed, and the least such", (t) => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 100 }), (list, percent) => {
      const found = percentile(list, percent);
      const share = (limit: number): number => list.filter((value) => value <= limit).length;
      const wanted = (percent * list.length) / 100;
      t.true(list.includes(found));
      t.true(share(found) >= wanted);
      t.true(list.every((value) => value >= found || share(value) < wanted));
    }),
  );
});

test("of fewer than a hundred values the 99th percentile is the largest", (t) => {
  const list = Array.from({ length: 99 }, (_, i) => i);
  t.is(percentile(list, 99), 98);
  t.is(percentile([...list, 99], 99), 98);
});

test("the median of an even number of values lies between the two in the middle", (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([3, 1, 2]), 2);
});

test("nothing measured gives no number", (t) => {
  t.deepEqual(summarize([]), { n: 0, median: NaN, p90: NaN, p99: NaN, max: NaN });
});

test("a list is not changed by summing it up", (t) => {
  const list = [3, 1, 2];
  t.deepEqual(summarize(list), { n: 3, median: 2, p90: 3, p99: 3, max: 3 });
  t.deepEqual(list, [3, 1, 2]);
});

test("a spread is the difference as a part of the mean, whichever comes first", (t) => {
  t.is(spread(95, 105), 0.1);
  t.is(spread(105, 95), 0.1);
});
