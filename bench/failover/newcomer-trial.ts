/**
 * A second job comes to a cluster that one job of a ten times heavier model keeps busy: how long until its first query
 * runs, and is done. Every slot has a heavy query running and another waiting when it is submitted; its model is
 * loaded. When the query was done is seen in the log; when it began is the moment at which the leader proposed its result
 * less the time that the worker says the query took, so it is late by what the quickest commit and look take, never early.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jitter, until } from "../bench.ts";
import { type BenchCluster, inputFolder } from "../cluster.ts";
import { median } from "../statistics.ts";
import { WorkFollower } from "../work-follower.ts";
import { cancel, type Load } from "./load.ts";

const followEveryMs = 3;
const withinMs = 60_000;
const jitterMs = 500;
/** From the newcomer's end until the heavy job has every slot again for sure. */
const settleMs = 500;

export interface NewcomerTrialOptions {
  readonly turn: number;
  readonly model: string;
  readonly heavy: Load;
  /** Done just before the submission, and not timed. */
  readonly prepare?: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface NewcomerTrial {
  readonly acknowledgedMs: number;
  /** From the acknowledgement until some node was given its first query: from there on it waits in that node's queue. */
  readonly assignedMs: number;
  /** Median time of the heavy queries that were completed meanwhile; NaN when none was. */
  readonly heavyQueryMs: number;
  /** From the acknowledgement of the submission. */
  readonly startedMs: number;
  readonly completedMs: number;
  /** From the sending of the submission. */
  readonly sentToStartedMs: number;
  readonly sentToCompletedMs: number;
}

export async function newcomerTrial(
  cluster: BenchCluster,
  { turn, model, heavy, prepare, signal }: NewcomerTrialOptions,
): Promise<NewcomerTrial> {
  await heavy.renew();
  const { leader } = await cluster.healthy();
  await saturated(cluster, heavy, { leader, signal });
  await jitter(jitterMs, signal);

  await using follower = await WorkFollower.start(cluster.client(leader), followEveryMs);
  const via = cluster.client(cluster.names[turn % cluster.names.length] ?? "");
  await prepare?.();
  const sentMs = performance.now();
  const { id } = await via.submitJob({ model, inputs: [inputFolder(0)] });
  const ackMs = performance.now();
  const first = await follower.first(({ job }) => job === id, {
    what: `the first query of job ${id}`,
    withinMs,
  });
  const beganMs = follower.beganMs(first);
  const others = follower.completed.filter(({ job }) => job !== id);
  const heavyQueryMs = median(others.map(({ elapsedMs }) => elapsedMs));
  await cancel(cluster, id);
  await sleep(settleMs, undefined, { signal });
  return {
    acknowledgedMs: ackMs - sentMs,
    assignedMs: (follower.assignedMs.get(id) ?? NaN) - ackMs,
    heavyQueryMs,
    startedMs: beganMs - ackMs,
    completedMs: first.seenMs - ackMs,
    sentToStartedMs: beganMs - sentMs,
    sentToCompletedMs: first.seenMs - sentMs,
  };
}

/** Waits until every slot has a query of the job running and one waiting. */
async function saturated(
  cluster: BenchCluster,
  { job }: Load,
  { leader, signal }: { readonly leader: string; readonly signal: AbortSignal },
): Promise<void> {
  const options = { what: "a saturated cluster", withinMs, everyMs: 20, signal };
  await until(options, async () => {
    const { nodes } = await cluster.client(leader).assignments();
    const full = nodes.every(
      ({ slots, queries }) => queries.filter((query) => query.job === job).length >= 2 * slots,
    );
    return full ? full : undefined;
  });
}
