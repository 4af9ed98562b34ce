/** The shapes and colours of a space-time diagram, and what they mean. */
import { type Xml, element } from "./xml.ts";

/** Red is for the violation alone. */
export const colours = {
  axis: "#666",
  lane: "#999",
  break: "#eee",
  message: "#5b7fb5",
  lost: "#b87400",
  role: "#14743c",
  commit: "#5b3fa0",
  client: "#00727f",
  fault: "#8a4b00",
  down: "#444",
  up: "#444",
  paused: "#c9b458",
  resumed: "#c9b458",
  violation: "#d00000",
} as const;

export type SymbolKind =
  "role" | "commit" | "client" | "fault" | "down" | "up" | "paused" | "resumed" | "violation";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export function shapeOf(kind: SymbolKind, at: Point): Xml {
  const fill = colours[kind];
  const { x, y } = at;
  switch (kind) {
    case "role":
      return polygon(fill, at, [0, -6, 6, 0, 0, 6, -6, 0]);
    case "commit":
      return element("circle", { cx: x, cy: y, r: 3.5, fill });
    case "client":
      return element("circle", { cx: x, cy: y, r: 3.5, fill: "white", stroke: fill });
    case "fault":
      return polygon(fill, at, [0, 5, 5, -4, -5, -4]);
    case "down":
    case "paused":
      return element("line", { x1: x, x2: x, y1: y - 8, y2: y + 8, stroke: fill });
    case "up":
    case "resumed":
      return polygon(fill, at, [0, -5, 5, 4, -5, 4]);
    case "violation":
      return crossAt(at, fill);
  }
}

export function crossAt({ x, y }: Point, stroke: string): Xml {
  const d = [-1, 1].map((k) => `M${(x - 5).toFixed(1)} ${(y - 5 * k).toFixed(1)}l10 ${10 * k}`);
  return element("path", { d: d.join(""), stroke, "stroke-width": 2, fill: "none" });
}

function polygon(fill: string, { x, y }: Point, corners: readonly number[]): Xml {
  const points = corners.map((n, i) => (n + (i % 2 === 0 ? x : y)).toFixed(1)).join(" ");
  return element("polygon", { points, fill });
}

/** Room for a symbol with its word, in pixels. */
const entryPx = 84;
/** Room for all of the legend. */
export const legendPx = 10 * entryPx;

export function legend(x: number, y: number): Xml {
  const kinds: readonly (readonly [SymbolKind, string])[] = [
    ["role", "role"],
    ["commit", "commit"],
    ["client", "client"],
    ["fault", "fault"],
    ["violation", "violation"],
  ];
  const symbols = kinds.map(
    ([kind]) =>
      (at: Point) =>
        shapeOf(kind, at),
  );
  const bar = (fill: string) => (at: Point) =>
    element("rect", { x: at.x - 8, y: at.y - 5, width: 16, height: 10, fill });
  const line = (stroke: string, dashes: string) => (at: Point) =>
    element("line", {
      x1: at.x - 10,
      x2: at.x + 8,
      y1: at.y,
      y2: at.y,
      stroke,
      "stroke-dasharray": dashes,
    });
  const entries: readonly (readonly [(at: Point) => Xml, string])[] = [
    ...symbols.map((draw, i) => [draw, kinds[i]?.[1] ?? ""] as const),
    [bar(colours.down), "down"],
    [bar(colours.paused), "paused"],
    [line(colours.message, "none"), "message"],
    [line(colours.lost, "4 3"), "lost"],
    [bar(colours.break), "time cut"],
  ];
  return element(
    "g",
    { class: "legend" },
    ...entries.flatMap(([draw, word], i) => {
      const at = { x: x + i * entryPx, y: y - 4 };
      return [draw(at), element("text", { x: at.x + 14, y, fill: colours.axis }, word)];
    }),
  );
}
