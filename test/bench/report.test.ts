/** The last line of a benchmark is for machines, the table for people. */
import test from "ava";
import { durations, figure, lastLine } from "../../bench/report.ts";
import { summarize } from "../../bench/statistics.ts";
import { table } from "../../bench/table.ts";

const machine = {
  cpu: "a cpu",
  cores: 2,
  memoryBytes: 1,
  node: "v20.19.0",
  platform: "linux x64",
  fsyncMs: 0.5,
  loadBefore: 0,
};

test("the last line is one JSON object with the bench, its figures and the machine", (t) => {
  const figures = { a: figure(1.23456, "ms", { atMost: 2 }), b: figure(3, "images/s") };
  const line = lastLine({ bench: "failover", figures, machine });
  t.notRegex(line, /\n/);
  t.deepEqual(JSON.parse(line), {
    bench: "failover",
    figures: {
      a: { value: 1.235, unit: "ms", target: 2, met: true },
      b: { value: 3, unit: "images/s" },
    },
    machine,
  });
});

test("a target is met at its very value, from the side that it is on", (t) => {
  t.true(figure(150, "ms", { atMost: 150 }).met);
  t.false(figure(150.0001, "ms", { atMost: 150 }).met);
  t.true(figure(0.9, "of bare", { atLeast: 0.9 }).met);
  t.false(figure(0.8999, "of bare", { atLeast: 0.9 }).met);
});

test("what was not measured, or is in doubt, meets no target", (t) => {
  t.deepEqual(JSON.parse(JSON.stringify(figure(NaN, "ms", { atMost: 1 }))), {
    value: null,
    unit: "ms",
    target: 1,
    met: false,
  });
  t.false(figure(1, "ms", { atMost: 150 }, false).met);
});

test("durations have targets only where the design has them", (t) => {
  const figures = durations("a.b", summarize([1, 2, 9]), { p99Ms: 8 });
  t.deepEqual(figures, {
    "a.b.medianMs": { value: 2, unit: "ms" },
    "a.b.p90Ms": { value: 9, unit: "ms" },
    "a.b.p99Ms": { value: 9, unit: "ms", target: 8, met: false },
    "a.b.maxMs": { value: 9, unit: "ms" },
    "a.b.trials": { value: 3, unit: "trials" },
  });
});

test("a table aligns names to the left, numbers to the right, and shows a gap as a dash", (t) => {
  t.is(
    table(
      ["ms", "n", "median"],
      [
        ["long name", 12, 1234.5],
        ["x", 3, 0.256],
        ["y", 0, NaN],
      ],
    ),
    [
      "ms          n  median",
      "---------------------",
      "long name  12   1,235",
      "x           3    0.26",
      "y           0       -",
    ].join("\n"),
  );
});
