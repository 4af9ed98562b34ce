/**
 * How long a query may take before its executor is held to be stuck. Learnt from what the job's queries took, wherever they
 * ran: generous, since a kill costs whatever else runs there, and a stuck thread costs one slot for a while.
 */
import { quantile } from "../lib/histogram.ts";
import type { JobProgress } from "./types.ts";

/** No query is given less, in ms: a machine that swaps, or one that is stopped for a while, is not stuck. */
const leastMs = 10_000;
/** Times the slowest query in a hundred: machines differ by less. */
const patience = 20;
/** Queries from which something is learnt. */
const learnFrom = 5;
/** While nothing is known, in ms: a query, and what each input adds. No network here needs a tenth. */
const unknown = { queryMs: 30_000, inputMs: 10_000 } as const;

/** Milliseconds that a query of so many inputs may take. */
export function queryTimeoutMs(
  job: Pick<JobProgress, "statistics" | "doneInputs" | "errorInputs">,
  inputs: number,
): number {
  const { statistics, doneInputs, errorInputs } = job;
  const { count, sumMs, histogram } = statistics;
  // Those that gave nothing but an error say nothing of what the network takes.
  const inferred = doneInputs - errorInputs;
  if (count < learnFrom || inferred <= 0) return unknown.queryMs + unknown.inputMs * inputs;
  const slowMs = quantile(histogram, 0.99) ?? 0; // unreachable: something was counted
  // The batch size may have been raised since.
  const usualMs = (sumMs / inferred) * inputs;
  return Math.max(leastMs, Math.ceil(patience * Math.max(slowMs, usualMs)));
}
