/** Waits for jobs to end, showing how far they are; the way they ended becomes the exit code. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JobView } from "../../lib/api/jobs.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { humanDuration, humanRate } from "../format.ts";
import { bar } from "../progress.ts";
import type { Session } from "../session.ts";

/** Between two looks: smooth to the eye, and nothing to a cluster. */
const lookMs = 250;

export function hasEnded({ state }: JobView): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

/** `j42 ━━━╌╌╌ 312/640 48.2/s 7.1 s left 2 errors` */
export function progressText(job: JobView): string {
  const { remainingMs, statistics } = job;
  return [
    job.id,
    bar(job.doneInputs, job.totalInputs),
    `${job.doneInputs}/${job.totalInputs}`,
    job.state === "running" ? humanRate(statistics.inputRate) : job.state,
    ...(remainingMs === undefined ? [] : [`${humanDuration(remainingMs)} left`]),
    ...(job.errorInputs > 0 ? [`${job.errorInputs} errors`] : []),
  ].join(" ");
}

/**
 * @param withinMs how long at most; undefined: for ever
 * @throws TIMED_OUT
 */
export async function untilJobEnded(
  session: Session,
  id: string,
  withinMs: number | undefined,
): Promise<JobView> {
  const { client, signal } = session;
  const endMs = performance.now() + (withinMs ?? Number.POSITIVE_INFINITY);
  await session.learnNodes();
  using progress = session.progress();
  for (;;) {
    const job = await client.job(id, { signal });
    if (hasEnded(job)) return job;
    progress.show(progressText(job));
    if (performance.now() >= endMs) {
      progress.clear();
      throw new IDunnoError("TIMED_OUT", { what: `job ${id}`, afterMs: withinMs ?? 0 });
    }
    await sleep(lookMs, undefined, { signal });
  }
}

/** Says how a job ended where it did not end well, and lets the exit code tell. */
export function judge(session: Session, job: JobView): void {
  if (job.state === "done") return;
  session.exitCode = exitCodes.failed;
  const why = job.why === undefined ? "" : `: ${job.why}`;
  session.note(
    `idunno: job ${job.id} ${job.state === "failed" ? "failed" : "was cancelled"}${why}`,
  );
}
