/**
 * Images per second of a job, seen from outside: this process reads the leader's log as it grows and notes when each
 * query's result was committed. Submitting and writing the results file are not in the rate, committing each result is.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import { until } from "../bench.ts";
import { type BenchCluster, inputFolders } from "../cluster.ts";
import { median } from "../statistics.ts";
import { WorkFollower } from "../work-follower.ts";
import { type SteadyRate, steadyRate } from "./steady.ts";

/** Rarely enough not to cost the cluster anything, often against runs of many seconds. */
const followEveryMs = 20;
const lookEveryMs = 100;
/** Some times what the longest job takes on a busy machine. */
const withinMs = 10 * 60_000;

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
  const options = { what: `the end of job ${id}`, withinMs, everyMs: lookEveryMs, signal };
  const job = await until(options, async () => {
    const view = await client.job(id);
    return view.state === "running" ? undefined : view;
  });
  if (job.state !== "done" || job.errorInputs > 0)
    throw new IDunnoError("JOB_FAILED", {
      job: id,
      why: `${job.errorInputs} inputs failed; it is ${job.state}`,
    });
  // The job is done a little before the log's last page has been read here.
  const queries = await until({ ...options, what: `the last results of job ${id}` }, async () => {
    const mine = follower.completed.filter((completed) => completed.job === id);
    const inputs = mine.reduce((sum, query) => sum + query.inputs, 0);
    return inputs === job.totalInputs ? mine : undefined;
  });
  return { ...steadyRate(queries), queryMs: median(queries.map(({ elapsedMs }) => elapsedMs)) };
}
