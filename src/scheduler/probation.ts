/**
 * A job is on probation until it has shown that it can be run: a network that hangs, or ends its executors, shows nothing. Others
 * are not to lose their slots to it meanwhile, so it does not compete with them: it gets a small share of its own
 * (policy.ts, F10), and when it passes it begins at the virtual time of those who compete, as after a pause.
 *
 * Whether it is follows from what was committed: every replica agrees, and no leader has to learn it anew.
 */
import type { JobProgress } from "./types.ts";

/**
 * Queries done that make up for one failure: finding one killer input among 8 takes 5 failures, and finding one costs about
 * as much as these.
 */
const donePerFailure = 4;
/** Of all slots, that jobs on probation may have in hand: little enough to be spared for as long as a time-out takes. */
const shareOfSlots = 1 / 4;

/** Nothing is done yet, or too little for how often its queries ended executors. */
export function isOnProbation({
  doneQueries,
  failures = 0,
}: Pick<JobProgress, "doneQueries" | "failures">): boolean {
  return doneQueries <= donePerFailure * failures;
}

/** Queries that all jobs on probation may have in hand together, their first ones apart. */
export function probationQueries(slots: number): number {
  return Math.max(1, Math.floor(slots * shareOfSlots));
}
