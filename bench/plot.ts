/** Line plots as SVG text: no library, no font beyond the reader's own, and the same bytes for the same points. */

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** Written beside the point. */
  readonly label?: string;
}

export interface PlotSeries {
  readonly name: string;
  readonly points: readonly PlotPoint[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PlotSeries[];
  /** Moments worth a vertical line. */
  readonly moments?: readonly { readonly x: number; readonly label: string }[];
  /** Bounds worth a horizontal line. */
  readonly bounds?: readonly { readonly y: number; readonly label: string }[];
}

const [width, height] = [960, 440];
const margin = { left: 70, right: 190, top: 70, bottom: 50 } as const;
/** Told apart by most eyes that see colours in another way, too (Okabe and Ito). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/** About so many lines of the grid in each direction. */
const ticks = 6;
/** Marks are drawn at the points of a series that has no more of them. */
const mostMarks = 40;

/** A whole SVG document. Both axes begin at 0. */
export function plotSvg(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points);
  const xs = [...points.map(({ x }) => x), ...(plot.moments ?? []).map(({ x }) => x)];
  const ys = [...points.map(({ y }) => y), ...(plot.bounds ?? []).map(({ y }) => y)];
  const [xStep, yStep] = [tickStep(Math.max(0, ...xs)), tickStep(Math.max(0, ...ys))];
  const [xMost, yMost] = [roundUp(Math.max(0, ...xs), xStep), roundUp(Math.max(0, ...ys), yStep)];
  const atX = (x: number): number =>
    margin.left + (x / xMost) * (width - margin.left - margin.right);
  const atY = (y: number): number =>
    height - margin.bottom - (y / yMost) * (height - margin.top - margin.bottom);
  const [left, right, top, bottom] = [atX(0), atX(xMost), atY(yMost), atY(0)];
  const gridX = steps(xMost, xStep).map((x) =>
    [line(atX(x), top, atX(x), bottom, "#ddd"), text(atX(x), bottom + 18, shown(x), "middle")].join(
      "",
    ),
  );
  const gridY = steps(yMost, yStep).map((y) =>
    [line(left, atY(y), right, atY(y), "#ddd"), text(left - 8, atY(y) + 4, shown(y), "end")].join(
      "",
    ),
  );
  const moments = (plot.moments ?? []).map(
    ({ x, label }, i) =>
      line(atX(x), top, atX(x), bottom, "#888", "4 3") +
      // In two rows: short phases would write over each other.
      text(atX(x) + 3, top - (i % 2 === 0 ? 6 : 20), label),
  );
  const bounds = (plot.bounds ?? []).map(
    ({ y, label }) =>
      line(left, atY(y), right, atY(y), "#c00", "6 3") + text(right + 6, atY(y) + 4, label),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.left}" y="22" font-size="16">${escaped(plot.title)}</text>`,
    ...gridX,
    ...gridY,
    ...moments,
    ...bounds,
    ...plot.series.map((series, i) => curve(series, colourOf(i), atX, atY)),
    ...plot.series.map(({ name }, i) => {
      const y = top + 12 + 18 * i;
      return line(right + 12, y, right + 32, y, colourOf(i)) + text(right + 38, y + 4, name);
    }),
    text((left + right) / 2, height - 12, plot.xLabel, "middle"),
    `<g transform="translate(18 ${(top + bottom) / 2}) rotate(-90)">${text(0, 0, plot.yLabel, "middle")}</g>`,
    "</svg>\n",
  ].join("\n");
}

function curve(
  { points }: PlotSeries,
  colour: string,
  atX: (x: number) => number,
  atY: (y: number) => number,
): string {
  const places = points.map(({ x, y }) => `${short(atX(x))},${short(atY(y))}`).join(" ");
  const marks = points.length > mostMarks ? [] : points;
  return [
    `<polyline points="${places}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...marks.map(
      ({ x, y, label }) =>
        `<circle cx="${short(atX(x))}" cy="${short(atY(y))}" r="3" fill="${colour}"/>` +
        (label === undefined ? "" : text(atX(x) + 5, atY(y) - 5, label)),
    ),
  ].join("");
}

/** 1, 2 or 5 times a power of ten. */
function tickStep(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most / ticks));
  const factor = [1, 2, 5].find((each) => each * power * ticks >= most) ?? 10;
  return factor * power;
}

function roundUp(most: number, step: number): number {
  return Math.max(1, Math.ceil(most / step - 1e-9)) * step;
}

function steps(most: number, step: number): number[] {
  return Array.from({ length: Math.round(most / step) + 1 }, (_, i) => i * step);
}

function colourOf(index: number): string {
  return colours[index % colours.length] ?? "#000";
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, dashes = ""): string {
  const dashed = dashes === "" ? "" : ` stroke-dasharray="${dashes}"`;
  return `<line x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}" stroke="${colour}"${dashed}/>`;
}

function text(x: number, y: number, content: string, anchor = "start"): string {
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function shown(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString("en");
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
