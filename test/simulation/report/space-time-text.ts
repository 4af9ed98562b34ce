/**
 * A space-time diagram for terminals and logs: nodes are columns, time runs down, one line for each event. A message is
 * drawn when it arrives, with the time at which it was sent; a lost one when it was sent.
 */
import { type Mark, type SpaceTime, type Window, spaceTime } from "./space-time.ts";
import type { MessageEvent, TraceEvent } from "./trace-event.ts";

/** Waits longer than this get a line of their own, in virtual ms: shorter ones are part of the bustle. */
const gapMs = 100;
/** Columns from one node to the next: room for a name, and for an arrow to be seen. */
const columnWidth = 8;

const marks: Readonly<Record<Mark["kind"], string>> = {
  role: "◆",
  commit: "●",
  client: "○",
  fault: "!",
  down: "╳",
  up: "▲",
  paused: "┬",
  resumed: "┴",
  violation: "✖",
};

const lanes = { running: "│", paused: "┊", down: " " } as const;

const legend =
  "◆ role  ● commit  ○ client  ! fault  ╳ down  ▲ up  ┬ paused  ┴ resumed  ─▶ message  ─✗ lost  ✖ violation";

/** A line: when, what is drawn over the lanes, and what is said beside it. */
interface Line {
  readonly at: number;
  readonly text: string;
  readonly draw: (cells: string[]) => void;
}

export function spaceTimeText(events: readonly TraceEvent[], window: Window = {}): string {
  const picture = spaceTime(events, window);
  const { nodes, from, hidden } = picture;
  const lines = [...picture.messages, ...picture.marks]
    .map((event) => lineOf(event, picture))
    .sort((a, b) => a.at - b.at);
  const header = nodes.map((node) => node.slice(0, columnWidth - 1).padEnd(columnWidth)).join("");
  const rows: string[] = [legend];
  if (hidden > 0) rows.push(`(${hidden} events before or after are not shown)`);
  rows.push(`${"ms".padStart(8)}  ${header}`.trimEnd());
  let before = from;
  for (const line of lines) {
    if (line.at - before > gapMs) rows.push(`${"⋮".padStart(8)}  ${line.at - before} ms`);
    before = line.at;
    const cells = lanesAt(picture, line.at);
    line.draw(cells);
    rows.push(`${String(line.at).padStart(8)}  ${cells.join("")}${oneLine(line.text)}`.trimEnd());
  }
  return `${rows.join("\n")}\n`;
}

function lineOf(event: Mark | MessageEvent, { nodes, to }: SpaceTime): Line {
  if (event.kind === "message") {
    const { from, to: target, sentAt, receivedAt, text } = event;
    const way = { from: nodes.indexOf(from), to: nodes.indexOf(target), isLost: false };
    const what = `${from} → ${target} ${text}`;
    if (receivedAt === undefined)
      return {
        at: sentAt,
        text: `${what}, lost`,
        draw: (cells) => drawArrow(cells, { ...way, isLost: true }),
      };
    const isOnItsWay = receivedAt > to;
    return {
      at: isOnItsWay ? sentAt : receivedAt,
      text: isOnItsWay ? `${what}, arrives at ${receivedAt}` : `${what}, sent at ${sentAt}`,
      draw: (cells) => drawArrow(cells, way),
    };
  }
  const { kind, at, node } = event;
  const said = "text" in event ? event.text : kind;
  return {
    at,
    text: `${kind === "violation" ? "VIOLATION: " : ""}${node === undefined ? "" : `${node} `}${said}`,
    draw: (cells) => {
      for (const [i, name] of nodes.entries())
        if (node === undefined || node === name) cells[i * columnWidth] = marks[kind];
    },
  };
}

/** One cell for each character. */
function lanesAt({ nodes, stretches }: SpaceTime, at: number): string[] {
  return nodes.flatMap((node) => {
    const stretch = stretches.find((each) => each.node === node && each.from <= at && at < each.to);
    return [lanes[stretch?.kind ?? "running"], ...Array<string>(columnWidth - 1).fill(" ")];
  });
}

/** Lanes that it passes stay visible. */
function drawArrow(
  cells: string[],
  way: { readonly from: number; readonly to: number; readonly isLost: boolean },
): void {
  const start = way.from * columnWidth;
  const end = way.to * columnWidth;
  const step = Math.sign(end - start);
  if (step === 0) return;
  cells[start] = step > 0 ? "├" : "┤";
  for (let i = start + step; i !== end; i += step) cells[i] = i % columnWidth === 0 ? "┼" : "─";
  cells[end - step] = way.isLost ? "✗" : step > 0 ? "▶" : "◀";
}

/** Control characters would break the columns, and line ends the lines. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}
