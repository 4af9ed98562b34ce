import test from "ava";
import { plotSvg } from "../../bench/plot.ts";

const plot = {
  title: "a < b & c",
  xLabel: "seconds",
  yLabel: "rate",
  series: [
    {
      name: "one",
      points: [
        { x: 0, y: 0 },
        { x: 10, y: 100, label: "end" },
      ],
    },
  ],
};

test("points lie between the axes, the greatest at the upper right", (t) => {
  const svg = plotSvg(plot);
  const [, first, last] = /points="([\d.]+,[\d.]+) ([\d.]+,[\d.]+)"/.exec(svg) ?? [];
  t.is(first, "70,390");
  t.is(last, "770,70");
});

test("text is escaped", (t) => {
  const svg = plotSvg(plot);
  t.true(svg.includes("a &lt; b &amp; c"));
  t.false(svg.includes("a < b"));
});

test("bounds and moments are drawn, and the axes reach as far as they", (t) => {
  const svg = plotSvg({
    ...plot,
    bounds: [{ y: 200, label: "bound" }],
    moments: [{ x: 20, label: "then" }],
  });
  t.true(svg.includes(">bound<") && svg.includes(">then<"));
  t.true(svg.includes(">200<") && svg.includes(">20<"));
});

test("a plot without a point is a document all the same", (t) => {
  const svg = plotSvg({ ...plot, series: [{ name: "none", points: [] }] });
  t.true(svg.startsWith("<svg") && svg.endsWith("</svg>\n"));
  t.false(svg.includes("NaN"));
});
