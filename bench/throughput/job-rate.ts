/**
 * Images per second of a job, seen from outside: this process looks at how many inputs are done, every few
 * milliseconds, on the node that leads. Counted are the inputs done after the first completion was seen, over the time
 * from then to the sight of the last; submitting and writing the results file are not in it, committing each result is.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import { until } from "../bench.ts";
import { type BenchCluster, inputFolders } from "../cluster.ts";

const lookEveryMs = 10;
const withinMs = 10 * 60_000;

export async function jobRate(
  cluster: BenchCluster,
  {
    model,
    folders,
    signal,
  }: { readonly model: string; readonly folders: number; readonly signal: AbortSignal },
): Promise<number> {
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  const { id } = await client.submitJob({ model, inputs: inputFolders(folders) });
  const waiting = { withinMs, everyMs: lookEveryMs, signal };
  let begun: { readonly done: number; readonly atMs: number } | undefined;
  const rate = await until({ ...waiting, what: `the end of job ${id}` }, async () => {
    const { doneInputs, totalInputs } = await client.job(id);
    const atMs = performance.now();
    if (begun === undefined && doneInputs > 0) begun = { done: doneInputs, atMs };
    if (begun === undefined || doneInputs < totalInputs) return undefined;
    return ((doneInputs - begun.done) * 1000) / (atMs - begun.atMs);
  });
  const job = await until({ ...waiting, what: `the results of job ${id}` }, async () => {
    const view = await client.job(id);
    return view.state === "running" ? undefined : view;
  });
  if (job.state !== "done" || job.errorInputs > 0)
    throw new IDunnoError("JOB_FAILED", {
      job: id,
      why: `${job.errorInputs} inputs failed; it is ${job.state}`,
    });
  return rate;
}
