import test from "ava";
import fc from "fast-check";
import {
  type Histogram,
  bucketMiddle,
  bucketOf,
  histogramLimit,
  merge,
  quantile,
  withValue,
} from "../../src/lib/histogram.ts";
import { holds } from "./property.ts";

const value = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: histogramLimit }),
);
const of = (values: readonly number[]): Histogram =>
  values.reduce<Histogram>((histogram, v) => withValue(histogram, v), []);

test("the middle of a value's bucket is within 2 % of the value, and exact below 64", (t) => {
  holds(
    t,
    fc.property(value, (v) => {
      const middle = bucketMiddle(bucketOf(v));
      t.true(Math.abs(middle - v) <= 0.02 * v, `${v} became ${middle}`);
      if (v < 64) t.is(middle, v);
    }),
    2_000,
  );
});

test("buckets rise with values without gaps", (t) => {
  for (let v = 1; v < 10_000; v += 1) {
    const step = bucketOf(v) - bucketOf(v - 1);
    t.true(step === 0 || step === 1, `from ${v - 1} to ${v}`);
  }
  t.is(bucketOf(histogramLimit + 1), bucketOf(histogramLimit));
});

test("a quantile is within 2 % of the value of that rank", (t) => {
  holds(
    t,
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.01, 0.5, 0.9, 0.95, 0.99, 1),
      (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? NaN;
        const found = quantile(of(values), share) ?? NaN;
        t.true(Math.abs(found - exact) <= 0.02 * exact, `${found} for ${exact}`);
      },
    ),
    300,
  );
});

test("histograms merged in any order are the histogram of all values", (t) => {
  const values = fc.array(value, { maxLength: 60 });
  holds(
    t,
    fc.property(values, values, (a, b) => {
      t.deepEqual(merge(of(a), of(b)), of([...a, ...b]));
      t.deepEqual(merge(of(b), of(a)), of([...a, ...b]));
    }),
    200,
  );
});

test("an empty histogram has no quantile", (t) => {
  t.is(quantile([], 0.5), undefined);
});

test("merging is associative, the empty histogram changes nothing, and no value is lost", (t) => {
  const histogram = fc.array(value, { maxLength: 40 }).map(of);
  const count = (h: Histogram): number => h.reduce((sum, [, n]) => sum + n, 0);
  holds(
    t,
    fc.property(histogram, histogram, histogram, (a, b, c) => {
      const all = merge(a, merge(b, c));
      t.deepEqual(merge(merge(a, b), c), all);
      t.deepEqual(merge(c, merge(b, a)), all);
      t.deepEqual(merge(a, []), a);
      t.deepEqual(merge([], a), a);
      t.is(count(all), count(a) + count(b) + count(c));
      for (const [i, [bucket, n]] of all.entries())
        t.true(n >= 1 && bucket > (all[i - 1]?.[0] ?? -1), "ascending, none empty");
    }),
    200,
  );
});

test("quantiles rise with their share, from the least value to the greatest", (t) => {
  const values = fc.array(value, { minLength: 1, maxLength: 60 });
  const share = fc.double({ min: 1e-9, max: 1, noNaN: true });
  holds(
    t,
    fc.property(values, share, share, (list, a, b) => {
      const at = (s: number): number => quantile(of(list), s) ?? NaN;
      t.true(at(Math.min(a, b)) <= at(Math.max(a, b)));
      t.is(at(1e-12), bucketMiddle(bucketOf(Math.min(...list))));
      t.is(at(1), bucketMiddle(bucketOf(Math.max(...list))));
    }),
    300,
  );
});
