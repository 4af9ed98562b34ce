/**
 * A space-time diagram (Lamport, 1978) as a picture: nodes are rows, time runs to the right, messages are arrows from
 * where and when they were sent to where and when they arrived. It needs nothing but itself: no script, no font, no
 * style sheet. What there is no room to write is told when the pointer rests on it.
 */
import { Labels, shortened } from "./labels.ts";
import { type Mark, type SpaceTime, type Window, spaceTime } from "./space-time.ts";
import { type TimeScale, timeScale } from "./time-scale.ts";
import { type MessageEvent, type TraceEvent, endOf } from "./trace-event.ts";
import { type Xml, element } from "./xml.ts";
import { type Point, colours, crossAt, legend, legendPx, shapeOf } from "./symbols.ts";

/** Pixels. */
const left = 70;
const right = 260;
const top = 64;
const laneHeight = 84;
const footer = 74;
const textHeight = 11;
/** A lost message's arrow ends so far from its target: not on the lane of anybody else either. */
const lostShort = 26;
/** More arrows than these, and words beside them would hide the arrows. */
const namedMessages = 60;

interface Canvas {
  readonly picture: SpaceTime;
  readonly scale: TimeScale;
  readonly labels: Labels;
  readonly x: (at: number) => number;
  readonly y: (node: string) => number;
  readonly height: number;
  readonly width: number;
}

export function spaceTimeSvg(events: readonly TraceEvent[], window: Window = {}): string {
  const canvas = canvasOf(spaceTime(events, window));
  const { picture, width, height } = canvas;
  // What matters most has the first choice of places for its words, and is drawn last, on top.
  const isViolation = ({ kind }: Mark): boolean => kind === "violation";
  const marks = [
    ...picture.marks.filter(isViolation),
    ...picture.marks.filter((mark) => !isViolation(mark)),
  ].map((mark) => markOf(canvas, mark));
  const parts = [
    element("rect", { width, height, fill: "white" }),
    ...axis(canvas),
    ...picture.nodes.flatMap((node) => lane(canvas, node)),
    ...stretches(canvas),
    ...picture.messages.flatMap((message) => arrow(canvas, message)),
    ...marks.toReversed(),
    legend(left, height - 14),
  ];
  const svg = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${Math.ceil(width)} ${height}`,
      width: Math.ceil(width),
      height,
      "font-family": "sans-serif",
      "font-size": 10,
    },
    ...parts,
  );
  return `${svg.xml}\n`;
}

function canvasOf(picture: SpaceTime): Canvas {
  const { nodes, marks, messages, stretches: bars, from, to } = picture;
  const inside = (at: number): number => Math.max(from, Math.min(to, at));
  const scale = timeScale([
    from,
    to,
    ...[...marks, ...messages].map((event) => inside(endOf(event))),
    ...messages.map(({ sentAt }) => inside(sentAt)),
    ...bars.flatMap((bar) => [bar.from, bar.to]),
  ]);
  return {
    picture,
    scale,
    labels: new Labels(),
    x: (at) => left + scale.placeOf(inside(at)),
    y: (node) => top + laneHeight * (nodes.indexOf(node) + 0.5),
    width: Math.max(left + scale.length + right, left + legendPx),
    height: top + laneHeight * Math.max(1, nodes.length) + footer,
  };
}

/** Times along the lower edge, as many as fit, and where time was cut. */
function axis({ picture, scale, labels, x, height }: Canvas): Xml[] {
  const y = height - footer + 16;
  const { marks, messages, from, to, hidden } = picture;
  const times = new Set([from, to, ...[...marks, ...messages].map((event) => endOf(event))]);
  const ticks = [...times].flatMap((at) => {
    if (at > to || labels.place(`${at}  `, x(at), [y]) === undefined) return [];
    return [
      element("line", { x1: x(at), x2: x(at), y1: y - 18, y2: y - 12, stroke: colours.axis }),
      element("text", { x: x(at), y, fill: colours.axis }, String(at)),
    ];
  });
  const breaks = scale.breaks.map(({ start, end, ms }) => {
    const width = (end - start) / 3;
    const shape = { x: left + start + width, y: top, width, height: height - top - footer };
    return element(
      "g",
      {},
      element("rect", { ...shape, fill: colours.break, class: "break" }),
      element("text", { x: left + start + width / 2, y: top - 4, fill: colours.axis }, `${ms} ms`),
    );
  });
  const note = hidden === 0 ? "" : `; ${hidden} events are not shown`;
  return [
    element("text", { x: left, y: 16, fill: colours.axis }, `virtual ms ${from} to ${to}${note}`),
    ...breaks,
    ...ticks,
  ];
}

function lane({ x, y, picture }: Canvas, node: string): Xml[] {
  const { from, to } = picture;
  const line = { x1: x(from), x2: x(to), y1: y(node), y2: y(node) };
  return [
    element("text", { x: left - 10, y: y(node) + 4, "text-anchor": "end", "font-size": 12 }, node),
    element("line", { ...line, stroke: colours.lane }),
  ];
}

function stretches({ picture, x, y }: Canvas): Xml[] {
  return picture.stretches.map(({ kind, node, from, to }) => {
    const width = Math.max(2, x(to) - x(from));
    return element(
      "rect",
      { x: x(from), y: y(node) - 6, width, height: 12, fill: colours[kind], class: kind },
      element("title", {}, `${node} ${kind} from ${from} to ${to}`),
    );
  });
}

function arrow(canvas: Canvas, message: MessageEvent): Xml[] {
  const { x, y, labels, picture } = canvas;
  const { from, to, sentAt, receivedAt, text } = message;
  const isLost = receivedAt === undefined;
  const start = { x: x(sentAt), y: y(from) };
  const way = y(to) - start.y;
  // Nobody knows where a lost one ended: it is drawn to just before its target, as if it had taken a while.
  const end = isLost
    ? { x: start.x + 12, y: start.y + way - Math.sign(way) * lostShort }
    : { x: x(receivedAt), y: start.y + way };
  const colour = isLost ? colours.lost : colours.message;
  const line = { x1: start.x, y1: start.y, x2: end.x, y2: end.y, stroke: colour };
  const fate = isLost ? "lost" : `received at ${receivedAt}`;
  const drawn = element(
    "g",
    { class: isLost ? "lost" : "message" },
    element("title", {}, `${from} → ${to} ${text}, sent at ${sentAt}, ${fate}`),
    element("line", isLost ? { ...line, "stroke-dasharray": "4 3" } : line),
    isLost ? crossAt(end, colour) : head(start, end, colour),
  );
  if (picture.messages.length > namedMessages) return [drawn];
  const at = { x: (start.x + end.x) / 2 + 4, y: (start.y + end.y) / 2 };
  const free = labels.place(text, at.x, [at.y, at.y + textHeight, at.y - textHeight]);
  if (free === undefined) return [drawn];
  return [drawn, element("text", { x: at.x, y: free, fill: colour }, shortened(text))];
}

function head(start: Point, end: Point, fill: string): Xml {
  const length = Math.hypot(end.x - start.x, end.y - start.y);
  if (length === 0) return element("circle", { cx: end.x, cy: end.y, r: 2, fill });
  const [dx, dy] = [(end.x - start.x) / length, (end.y - start.y) / length];
  const base = { x: end.x - 7 * dx, y: end.y - 7 * dy };
  const corners = [
    end,
    { x: base.x - 3 * dy, y: base.y + 3 * dx },
    { x: base.x + 3 * dy, y: base.y - 3 * dx },
  ];
  const points = corners.map((point) => `${point.x.toFixed(1)},${point.y.toFixed(1)}`).join(" ");
  return element("polygon", { points, fill });
}

/** A symbol on the lane with its words above it; what is of no one node is a line through all of them. */
function markOf(canvas: Canvas, mark: Mark): Xml {
  const { x, y, height } = canvas;
  const { kind, node, at } = mark;
  const fill = colours[kind];
  const place = { x: x(at), y: node === undefined ? top - 20 : y(node) };
  const line = { x1: place.x, x2: place.x, y1: top - 20, y2: height - footer, stroke: fill };
  const isLine = node === undefined || kind === "violation";
  return element(
    "g",
    { class: kind },
    element("title", {}, `${at} ${node ?? ""} ${kind} ${"text" in mark ? mark.text : ""}`),
    ...(isLine ? [element("line", line)] : []),
    shapeOf(kind, place),
    // Downs and ups are told by their bars.
    ...("text" in mark ? wordsOf(canvas, mark, place) : []),
  );
}

function wordsOf(
  { labels }: Canvas,
  { kind, node, text }: Extract<Mark, { text: string }>,
  { x, y }: Point,
): Xml[] {
  // Above the lanes there is room for two rows, between two lanes for three.
  const rows = (node === undefined ? [1, 2] : [1, 2, 3]).map((n) => y - n * textHeight + 3);
  const free = labels.place(text, x + 5, rows);
  if (free === undefined && kind !== "violation") return [];
  // A violation is never left unsaid, whatever it hides.
  const said = kind === "violation" ? text : shortened(text);
  return [element("text", { x: x + 5, y: free ?? y - textHeight, fill: colours[kind] }, said)];
}
