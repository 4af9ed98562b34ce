import test from "ava";
import fc from "fast-check";
import { inputOutput, softmaxOf } from "../../src/inference/scores.ts";

const top = (values: readonly number[], topK: number): unknown =>
  inputOutput(Float32Array.from(values), { softmax: false, topK });

test("the best classes come first, ties by class number", (t) => {
  t.deepEqual(top([0.5, 0.25, 0.5, 1], 3), {
    kind: "classes",
    top: [
      [3, 1_000_000],
      [0, 500_000],
      [2, 500_000],
    ],
  });
});

test("scores that are shown alike are ties, whatever their hidden digits", (t) => {
  t.deepEqual(top([0.1, 0.1000000149, 0.09999999], 2), {
    kind: "classes",
    top: [
      [0, 100_000],
      [1, 100_000],
    ],
  });
});

test("a network with fewer classes than asked for names all it has, and no score is -0", (t) => {
  t.deepEqual(top([-0, -1e-9], 5), {
    kind: "classes",
    top: [
      [0, 0],
      [1, 0],
    ],
  });
});

test("what is no finite number, or beyond exact millionths, is a wrong output", (t) => {
  for (const bad of [NaN, Infinity, -Infinity, 1e30])
    t.deepEqual(top([1, bad, 3], 2), { kind: "error", code: "wrong_output" });
});

test("softmax judges the logits, not what it made of them", (t) => {
  const values = Float32Array.of(1, -Infinity);
  t.deepEqual(inputOutput(values, { softmax: true, topK: 1 }), {
    kind: "error",
    code: "wrong_output",
  });
});

test("softmax does not overflow and sums to one", (t) => {
  const scores = softmaxOf([1000, 1000, 0]);
  t.deepEqual([...scores], [0.5, 0.5, 0]);
});

test("selection equals sorting everything", (t) => {
  const score = fc.integer({ min: -20, max: 20 }).map((n) => n / 8);
  fc.assert(
    fc.property(fc.array(score, { minLength: 1 }), fc.integer({ min: 1, max: 8 }), (values, k) => {
      const sorted = values
        .map((value, i) => [i, Math.round(value * 1e6) + 0] as const)
        .toSorted((a, b) => b[1] - a[1] || a[0] - b[0])
        .slice(0, k);
      t.deepEqual(top(values, k), { kind: "classes", top: sorted });
    }),
  );
});
