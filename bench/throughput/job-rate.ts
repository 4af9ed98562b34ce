/**
 * Images per second of a job, seen from outside: this process reads the leader's log as it grows, which says when the
 * leader had each query's result. Submitting and writing the results file are not in the rate, committing each result is.
 */
import { type BenchCluster, inputFolders } from "../cluster.ts";
import { jobEnd } from "../job-end.ts";
import { median } from "../statistics.ts";
import { WorkFollower } from "../work-follower.ts";
import { type SteadyRate, jobSteadyRate } from "./steady.ts";

/** Rarely enough not to cost the cluster anything: no figure hangs on when it is read. */
const followEveryMs = 2_000;
const lookEveryMs = 2_000;

export interface JobRateOptions {
  readonly model: string;
  readonly folders: number;
  /** Inputs of a query; by default what the cluster takes. */
  readonly batchSize?: number;
  readonly signal: AbortSignal;
}

export interface JobRate extends SteadyRate {
  /** Median time of a query on its slot. */
  readonly queryMs: number;
}

export async function jobRate(
  cluster: BenchCluster,
  { model, folders, batchSize, signal }: JobRateOptions,
): Promise<JobRate> {
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  await using follower = await WorkFollower.start(client, followEveryMs);
  const inputs = inputFolders(folders);
  const { id } = await client.submitJob({
    model,
    inputs,
    ...(batchSize === undefined ? {} : { batchSize }),
  });
  const { queries } = await jobEnd(client, follower, { id, everyMs: lookEveryMs, signal });
  return { ...jobSteadyRate(queries), queryMs: median(queries.map(({ elapsedMs }) => elapsedMs)) };
}
