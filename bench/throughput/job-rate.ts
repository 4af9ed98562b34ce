/**
 * Images per second of a job, seen from outside: this process reads the leader's log as it grows, which says when the
 * leader had each query's result. Submitting and writing the results file are not in the rate, committing each result is.
 */
import { type BenchCluster, inputFolders } from "../cluster.ts";
import { runJob } from "../run-job.ts";
import { median } from "../statistics.ts";
import { type SteadyRate, jobSteadyRate } from "./steady.ts";

/** Rarely enough not to cost the cluster anything. */
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
  const { queries } = await runJob(
    client,
    { model, inputs: inputFolders(folders), ...(batchSize === undefined ? {} : { batchSize }) },
    { everyMs: lookEveryMs, signal },
  );
  return { ...jobSteadyRate(queries), queryMs: median(queries.map(({ elapsedMs }) => elapsedMs)) };
}
