/**
 * Places on a line for times: in proportion where something happens, and with the long waits between cut short. Only
 * times at which something happens have a place.
 */

/** A wait that was cut short, between two places. */
export interface Break {
  readonly start: number;
  readonly end: number;
  readonly ms: number;
}

export interface TimeScale {
  /** @param at one of the times the scale was made from */
  placeOf(at: number): number;
  readonly length: number;
  readonly breaks: readonly Break[];
}

/** A wait is cut when it is so many times longer than the middle one of all waits. */
const longWait = 6;
/** A wait of the middle length is drawn so long, in pixels; what is drawn longer than the second number is cut. */
const middlePx = 14;
const breakPx = 56;
/** So much even for the shortest wait: two arrows that end 1 ms apart can be told from each other. */
const leastPx = 4;

export function timeScale(times: Iterable<number>): TimeScale {
  const sorted = [...new Set(times)].sort((a, b) => a - b);
  const waits = sorted.slice(1).map((at, i) => at - (sorted[i] ?? at));
  const middle = waits.toSorted((a, b) => a - b)[Math.floor((waits.length - 1) / 2)] ?? 1;
  const places = new Map<number, number>();
  const breaks: Break[] = [];
  let place = 0;
  for (const [i, at] of sorted.entries()) {
    const ms = waits[i - 1];
    if (ms !== undefined) {
      const start = place;
      const isLong = ms > longWait * middle;
      place += isLong ? breakPx : Math.max(leastPx, (ms / middle) * middlePx);
      if (isLong) breaks.push({ start, end: place, ms });
    }
    places.set(at, place);
  }
  return { placeOf: (at) => places.get(at) ?? 0, length: place, breaks };
}
