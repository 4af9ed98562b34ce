/** A job from its submission to its end, and when each of its queries was committed. */
import type { IDunnoClient } from "../src/client/client.ts";
import { IDunnoError } from "../src/lib/errors.ts";
import type { JobView, SubmitJobBody } from "../src/lib/api/jobs.ts";
import { until } from "./bench.ts";
import { WorkFollower } from "./work-follower.ts";

/** Some times what the longest job takes on a busy machine. */
const withinMs = 10 * 60_000;

export interface JobEnd {
  readonly job: JobView;
  readonly queries: WorkFollower["completed"];
}

/** Rarely enough not to cost the cluster anything: no figure hangs on when the log is read. */
const followEveryMs = 2_000;

/**
 * Submits a job, and waits until it is done without an error and all of its results have been read from the log.
 * @param client of the leader, whose log is read
 * @throws IDunnoError JOB_FAILED, TIMED_OUT; as submitting
 */
export async function runJob(
  client: IDunnoClient,
  submission: SubmitJobBody,
  { everyMs, signal }: { readonly everyMs: number; readonly signal: AbortSignal },
): Promise<JobEnd> {
  await using follower = await WorkFollower.start(client, followEveryMs);
  const { id } = await client.submitJob(submission);
  const options = { what: `the end of job ${id}`, withinMs, everyMs, signal };
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
  return { job, queries };
}
