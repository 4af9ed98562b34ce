import test from "ava";
import { MicroBatch, runsFor } from "../../src/inference/micro-batch.ts";

/** Feeds runs that cost what `costMs` says until the choice has settled; returns it. */
function settle(micro: MicroBatch, costMs: (size: number) => number, agrees = true): number {
  for (let i = 0; i < 100; i += 1) {
    const { size } = micro;
    if (micro.isTrial(size)) micro.tried(size, agrees);
    else micro.ran(size, costMs(size));
  }
  return micro.size;
}

test("batches grow while they are cheaper per image and within the target", (t) => {
  t.is(
    settle(new MicroBatch(), (size) => 3 + size),
    8,
  );
  t.is(
    settle(new MicroBatch(), (size) => 10 + 5 * size),
    4,
  );
});

test("a network that is as fast one by one keeps to batches of one", (t) => {
  t.is(
    settle(new MicroBatch(), (size) => 6 * size),
    1,
  );
});

test("a network of a millisecond gets many images unless they make it dearer by more than a run costs beside it", (t) => {
  const costs = (dearer: number) => (size: number) => size * (size === 1 ? 1 : dearer);
  t.is(settle(new MicroBatch(), costs(1)), 8);
  t.is(settle(new MicroBatch(), costs(1.2)), 4, "eight would take too long not to save something");
  t.is(settle(new MicroBatch(), costs(1.4)), 1);
});

test("of a short network one run in twelve without interruption is enough", (t) => {
  let runs = 0;
  t.is(
    settle(new MicroBatch(), (size) => ((runs += 1) % 12 === 0 ? size : 3 * size)),
    8,
  );
});

test("a slow network is never given two images", (t) => {
  const sizes = new Set<number>();
  const micro = new MicroBatch();
  settle(micro, (size) => {
    sizes.add(size);
    return 60;
  });
  t.deepEqual([...sizes], [1]);
});

test("a run of two that takes longer than the target is given up", (t) => {
  t.is(
    settle(new MicroBatch(), (size) => (size === 1 ? 20 : 80)),
    1,
  );
});

test("sizes whose trial gave other answers are never used", (t) => {
  t.is(
    settle(new MicroBatch(), (size) => 3 + size, false),
    1,
  );
});

test("a network for one image is given one", (t) => {
  t.is(
    settle(new MicroBatch(1), () => 1),
    1,
  );
});

test("one slow run among several does not decide", (t) => {
  let runs = 0;
  t.is(
    settle(new MicroBatch(), (size) => ((runs += 1) % 3 === 0 ? 500 : 3 + size)),
    8,
  );
});

test("a group is split into powers of two", (t) => {
  t.deepEqual(runsFor(8, 8), [8]);
  t.deepEqual(runsFor(7, 8), [4, 2, 1]);
  t.deepEqual(runsFor(3, 2), [2, 1]);
  t.deepEqual(runsFor(0, 4), []);
});
