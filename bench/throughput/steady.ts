/**
 * The rate of a job while all its slots are busy, from its completed queries. Counting inputs between the first and the
 * last completion would flatter whoever runs many queries side by side: what the others had done of theirs before the
 * first was complete would count without its time. So each query's inputs are spread evenly over the time that it ran,
 * and counted is what falls into a window that leaves one query's length out at either end, where slots fill and empty.
 * Pauses between queries are in the window and hold nothing: they lower the rate, as they should.
 */
import type { Completed } from "../work-follower.ts";

/** A completed query. */
export interface Ran {
  readonly inputs: number;
  /** From its beginning to its end. */
  readonly elapsedMs: number;
  /** When it was complete, on any clock that goes evenly. */
  readonly doneMs: number;
}

/** A job's steady rate, on the leader's clock. */
export function jobSteadyRate(
  queries: readonly Pick<Completed, "inputs" | "elapsedMs" | "spanMs" | "atMs">[],
): SteadyRate {
  return steadyRate(
    queries.map(({ inputs, spanMs, atMs }) => ({ inputs, elapsedMs: spanMs, doneMs: atMs })),
  );
}

export interface SteadyRate {
  readonly perSecond: number;
  /** False: the job was too short for such a window, so this is all inputs over the whole time. */
  readonly steady: boolean;
}

/** NaN when nothing ran. */
export function steadyRate(queries: readonly Ran[]): SteadyRate {
  const startMs = Math.min(...queries.map(({ doneMs, elapsedMs }) => doneMs - elapsedMs));
  const endMs = Math.max(...queries.map(({ doneMs }) => doneMs));
  const longestMs = Math.max(...queries.map(({ elapsedMs }) => elapsedMs));
  const [fromMs, toMs] = [startMs + longestMs, endMs - longestMs];
  const steady = toMs - fromMs >= longestMs;
  if (!steady) {
    const inputs = queries.reduce((sum, query) => sum + query.inputs, 0);
    return { perSecond: queries.length === 0 ? NaN : (inputs * 1000) / (endMs - startMs), steady };
  }
  const counted = queries.reduce((sum, { inputs, elapsedMs, doneMs }) => {
    // A query of no measurable length counts at the moment of its end.
    const lengthMs = Math.max(elapsedMs, 1);
    const insideMs = Math.min(doneMs, toMs) - Math.max(doneMs - lengthMs, fromMs);
    return sum + (inputs * Math.max(0, insideMs)) / lengthMs;
  }, 0);
  return { perSecond: (counted * 1000) / (toMs - fromMs), steady };
}
