/**
 * How far ahead work is handed out, and so how long results may wait for each other (node/dispatcher.ts): a slot must
 * neither run dry meanwhile, nor hold what others could do sooner. A job that is alone has nobody to make way for, and far
 * from its end no slot can be the last one: then more is in hand, and a command carries more.
 */
import type { JobId, NodeId } from "../lib/types.ts";
import type { NodeCapacity } from "./room.ts";
import { hasWork } from "./rows.ts";
import type { JobRecord } from "./types.ts";

/** Work per slot in predicted milliseconds: neither a round trip nor an election (150 ms) leaves a slot idle. */
export const nearMs = 250;
/** Far from the end of a job that is alone. */
export const farMs = 700;
/** So much of a job must be left per slot, in ms, that its end is far: what slots have in hand then evens out. */
export const farFromEndMs = 4 * farMs;

export type PredictedMs = (job: JobId, node: NodeId, inputs: number) => number | undefined;

/** The job that has inputs left, if there is one and no other. */
export function onlyJob(jobs: Iterable<JobRecord>): JobRecord | undefined {
  let only: JobRecord | undefined;
  for (const job of jobs) {
    if (!hasWork(job)) continue;
    if (only !== undefined) return undefined;
    only = job;
  }
  return only;
}

/** Milliseconds per slot that are handed out ahead. Of unlike nodes the fastest counts: with it the end is nearest. */
export function horizonMs(
  only: JobRecord | undefined,
  nodes: readonly NodeCapacity[],
  predictedMs: PredictedMs,
): number {
  if (only === undefined) return nearMs;
  const { id, totalInputs, cursor } = only;
  let slots = 0;
  let leastMs = Infinity;
  for (const { node, slots: own } of nodes) {
    slots += own;
    // Unknown: it may be over soon.
    if (own > 0) leastMs = Math.min(leastMs, predictedMs(id, node, totalInputs - cursor) ?? 0);
  }
  return slots > 0 && leastMs >= farFromEndMs * slots ? farMs : nearMs;
}
