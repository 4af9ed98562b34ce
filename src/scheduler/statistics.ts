/**
 * A job's query statistics: whole numbers in the replicated state, so that sums are exact and every replica counts
 * alike; means, deviations and rates are worked out only when somebody reads them.
 */
import { quantile, withValue } from "../lib/histogram.ts";
import type { LogTime } from "../lib/types.ts";
import type { JobProgress, JobStatistics } from "./types.ts";

/** The rate's window, in seconds: the specification's "over the last 10 seconds". */
const windowSeconds = 10;

export const emptyStatistics: JobStatistics = {
  count: 0,
  sumMs: 0,
  sumSquaredMs: 0,
  histogram: [],
  recent: [],
};

/** The statistics with one more committed query. `now` must not go back. */
export function withQuery(
  statistics: JobStatistics,
  query: { readonly elapsedMs: number; readonly inputs: number; readonly now: LogTime },
): JobStatistics {
  const { elapsedMs, inputs, now } = query;
  const second = Math.floor(now / 1000);
  const recent = statistics.recent.filter(([at]) => at >= second - windowSeconds && at !== second);
  const [, queries, sum] = statistics.recent.find(([at]) => at === second) ?? [second, 0, 0];
  recent.push([second, queries + 1, sum + inputs]);
  return {
    count: statistics.count + 1,
    sumMs: statistics.sumMs + elapsedMs,
    sumSquaredMs: statistics.sumSquaredMs + elapsedMs * elapsedMs,
    histogram: withValue(statistics.histogram, elapsedMs),
    recent,
  };
}

/** What people read. Times are milliseconds per query, rates per second of log time; all 0 while nothing is done. */
export interface StatisticsSummary {
  readonly count: number;
  readonly queryRate: number;
  readonly inputRate: number;
  readonly meanMs: number;
  /** Of the sample (n - 1); 0 for fewer than two queries. */
  readonly standardDeviationMs: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/**
 * @param clock log time now, and when the job's first query was handed out: a younger job than the window is measured
 *   over its age, but at least over a second
 */
export function summarise(
  statistics: JobStatistics,
  clock: { readonly now: LogTime; readonly startedAt: LogTime | undefined },
): StatisticsSummary {
  const { count, sumMs, sumSquaredMs, histogram } = statistics;
  const variance = count < 2 ? 0 : (sumSquaredMs - (sumMs * sumMs) / count) / (count - 1);
  return {
    count,
    ...rates(statistics, clock),
    meanMs: count === 0 ? 0 : sumMs / count,
    standardDeviationMs: Math.sqrt(Math.max(0, variance)),
    medianMs: quantile(histogram, 0.5) ?? 0,
    p90Ms: quantile(histogram, 0.9) ?? 0,
    p95Ms: quantile(histogram, 0.95) ?? 0,
    p99Ms: quantile(histogram, 0.99) ?? 0,
  };
}

/** How much more the last seconds count than all of a job's run, where it is guessed how long the rest will take. */
const recentShare = 0.75;

/**
 * Milliseconds until a job's last input is done, if all goes on as it does; undefined while nothing is done, or when nothing
 * is left.
 */
export function remainingMs(
  job: Pick<JobProgress, "statistics" | "startedAt" | "doneInputs"> & {
    readonly totalInputs: number;
  },
  now: LogTime,
): number | undefined {
  const { statistics, startedAt, doneInputs, totalInputs } = job;
  if (startedAt === undefined || doneInputs === 0 || doneInputs >= totalInputs) return undefined;
  const overall = (doneInputs * 1_000) / Math.max(1, now - startedAt);
  const { inputRate } = rates(statistics, { now, startedAt });
  // Queries may take longer than the window, which is empty now and then.
  const rate = inputRate === 0 ? overall : recentShare * inputRate + (1 - recentShare) * overall;
  return Math.round(((totalInputs - doneInputs) * 1_000) / rate);
}

/** The window's oldest second counts for the part of it that is still inside. */
function rates(
  statistics: JobStatistics,
  { now, startedAt }: { readonly now: LogTime; readonly startedAt: LogTime | undefined },
): { readonly queryRate: number; readonly inputRate: number } {
  const oldest = Math.floor(now / 1000) - windowSeconds;
  let queries = 0;
  let inputs = 0;
  for (const [second, q, i] of statistics.recent) {
    if (second < oldest) continue;
    const share = second === oldest ? 1 - (now % 1000) / 1000 : 1;
    queries += share * q;
    inputs += share * i;
  }
  const age = startedAt === undefined ? windowSeconds : (now - startedAt) / 1000;
  const seconds = Math.max(1, Math.min(windowSeconds, age));
  return { queryRate: queries / seconds, inputRate: inputs / seconds };
}
