/**
 * The part of a run that is drawn: who was there, what happened in it, and how long each node was down or paused. From
 * it come the picture (space-time-svg.ts) and the text (space-time-text.ts).
 */
import { type MessageEvent, type TraceEvent, endOf, nodesOf, startOf } from "./trace-event.ts";

export interface Window {
  /** Virtual ms; the whole run by default. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Of what lies between them, only so many events, the last ones. */
  readonly last?: number | undefined;
}

/** A stretch in which a node did nothing; it may have begun before the window, or go on after it. */
export interface Stretch {
  readonly kind: "down" | "paused";
  readonly node: string;
  readonly from: number;
  readonly to: number;
}

export type Mark = Exclude<TraceEvent, MessageEvent>;

export interface SpaceTime {
  /** All of the run, so that pictures of two windows can be laid side by side. */
  readonly nodes: readonly string[];
  /** In the order of their time. */
  readonly marks: readonly Mark[];
  readonly messages: readonly MessageEvent[];
  readonly stretches: readonly Stretch[];
  readonly from: number;
  readonly to: number;
  /** Events that lie outside the window. */
  readonly hidden: number;
}

/** @param events in any order; those of one time stay in theirs */
export function spaceTime(events: readonly TraceEvent[], window: Window = {}): SpaceTime {
  const sorted = events.toSorted((a, b) => endOf(a) - endOf(b));
  const { from: earliest = -Infinity, to: latest = Infinity, last = Infinity } = window;
  const within = sorted.filter((event) => endOf(event) >= earliest && startOf(event) <= latest);
  const shown = within.slice(Math.max(0, within.length - last));
  const { from, to } = boundsOf(shown, {
    // What is left out for its number is left out of the time, too.
    from: shown.length < within.length ? Math.max(earliest, startsAt(shown)) : earliest,
    to: latest,
  });
  return {
    nodes: [...new Set(events.flatMap(nodesOf))].sort(byNumber),
    marks: shown.flatMap((event) => (event.kind === "message" ? [] : event)),
    messages: shown.flatMap((event) => (event.kind === "message" ? event : [])),
    stretches: stretchesOf(sorted, { from, to }),
    from,
    to,
    hidden: events.length - shown.length,
  };
}

/** The end of the first: it may be a message that was sent long before. */
function startsAt([first]: readonly TraceEvent[]): number {
  return first === undefined ? -Infinity : endOf(first);
}

/** Bounds that nobody has set are those of the events. */
function boundsOf(
  shown: readonly TraceEvent[],
  { from, to }: { readonly from: number; readonly to: number },
): { readonly from: number; readonly to: number } {
  // Without events any place will do.
  const anywhere = [from, to, 0].find(Number.isFinite) ?? 0;
  const first = shown.length === 0 ? anywhere : shown.map(startOf).reduce((a, b) => Math.min(a, b));
  const begin = Math.min(from === -Infinity ? first : from, to);
  const last = shown.map(endOf).reduce((a, b) => Math.max(a, b), begin);
  return { from: begin, to: to === Infinity ? last : to };
}

/** n2 before n10. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** A node that goes down while it is paused is down from then on. */
function stretchesOf(
  sorted: readonly TraceEvent[],
  { from, to }: { readonly from: number; readonly to: number },
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  const begun = new Map<string, Stretch>();
  const end = (node: string, at: number): void => {
    const stretch = begun.get(node);
    begun.delete(node);
    if (stretch === undefined || at <= from || stretch.from > to) return;
    stretches.push({ ...stretch, from: Math.max(from, stretch.from), to: Math.min(to, at) });
  };
  for (const event of sorted) {
    if (event.kind === "up") end(event.node, event.at);
    if (event.kind === "resumed" && begun.get(event.node)?.kind === "paused")
      end(event.node, event.at);
    if (event.kind !== "down" && event.kind !== "paused") continue;
    end(event.node, event.at);
    const { kind, node, at } = event;
    begun.set(node, { kind, node, from: at, to: Infinity });
  }
  for (const node of begun.keys()) end(node, Infinity);
  return stretches;
}
