/**
 * Promise P7, judged window by window, by two measures: fractional queries, which count as their micro-batches end, as the
 * nodes tell (progress.ts); and whole ones, counted when the log has their results, which come in lumps. Rates are
 * compared per weight.
 */
import type { Completed } from "../work-follower.ts";
import { queriesRun, type Readings } from "./progress.ts";

/** A time in which the same jobs ran under the same settings. */
export interface Phase {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly jobs: readonly WeighedJob[];
}

export interface WeighedJob {
  readonly job: string;
  readonly weight: number;
}

/** A query with a result. */
export type Ran = Pick<Completed, "job" | "elapsedMs" | "seenMs">;

/** What the windows are made of. */
export interface Seen {
  readonly readings: Readings;
  readonly queries: readonly Ran[];
}

export interface WindowView {
  readonly phase: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The first window after a change is shown, not judged. */
  readonly judged: boolean;
  /** Fractional queries per second, in the order of the phase's jobs. */
  readonly rates: readonly number[];
  /** Queries committed, in the same order. */
  readonly counts: readonly number[];
  /** How far the slowest lies behind the fastest, per weight, as a part of the fastest: 0 to 1; 1 when nothing ran. */
  readonly fractionalGap: number;
  /** The same in whole queries of the job of least weight. */
  readonly wholeGap: number;
  readonly wholeAllowed: number;
  readonly meetsFractional: boolean;
  readonly meetsWhole: boolean;
}

/** P7: the most that the slowest may lie behind, as a part of the fastest. */
export const gapAllowed = 0.05;

export interface WindowOptions {
  readonly windowMs: number;
  /** Of the whole cluster: so many whole queries may always lie between two jobs. */
  readonly slots: number;
}

/** The whole windows of each phase, from its beginning on; what is left at its end is in none. */
export function windowsOf(
  phases: readonly Phase[],
  seen: Seen,
  { windowMs, slots }: WindowOptions,
): WindowView[] {
  return phases.flatMap((phase) => {
    const count = Math.floor((phase.toMs - phase.fromMs) / windowMs + 1e-9);
    return Array.from({ length: count }, (_, i) => {
      const fromMs = phase.fromMs + i * windowMs;
      const toMs = fromMs + windowMs;
      return windowOf(phase, seen, { fromMs, toMs, judged: i > 0, slots });
    });
  });
}

function windowOf(
  { name, jobs }: Phase,
  { readings, queries }: Seen,
  options: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly judged: boolean;
    readonly slots: number;
  },
): WindowView {
  const { fromMs, toMs, judged, slots } = options;
  const least = Math.min(...jobs.map(({ weight }) => weight));
  const perWeight = (values: readonly number[]): number[] =>
    values.map((value, i) => value / ((jobs[i]?.weight ?? 1) / least));
  const seconds = (toMs - fromMs) / 1000;
  const rates = jobs.map(({ job }) => queriesRun(readings, job, { fromMs, toMs }) / seconds);
  const counts = jobs.map(
    ({ job }) =>
      queries.filter(({ job: id, seenMs }) => id === job && seenMs >= fromMs && seenMs < toMs)
        .length,
  );
  const fractionalGap = gapOf(perWeight(rates));
  const whole = perWeight(counts);
  const wholeGap = Math.max(...whole) - Math.min(...whole);
  const wholeAllowed = Math.max(slots, gapAllowed * Math.max(...whole));
  return {
    phase: name,
    fromMs,
    toMs,
    judged,
    rates,
    counts,
    fractionalGap,
    wholeGap,
    wholeAllowed,
    meetsFractional: fractionalGap <= gapAllowed,
    meetsWhole: wholeGap <= wholeAllowed,
  };
}

/** How far the least lies behind the most, as a part of the most; 1 when there is nothing. */
export function gapOf(values: readonly number[]): number {
  const most = Math.max(...values);
  return most > 0 ? (most - Math.min(...values)) / most : 1;
}
