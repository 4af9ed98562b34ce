/** Watching jobs from outside: progress for people, and the moment at which a new leader commits results again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JobView } from "../../src/lib/api/jobs.ts";
import type { IDunnoClient } from "../../src/client/client.ts";

/** Between two lines of progress off a terminal, and two looks on one, in ms. */
const lineMs = 2_000;
const lookMs = 250;
/** Between two looks for the first result after a failover, in ms: fine beside what is measured. */
const fineMs = 4;

const isTerminal = process.stderr.isTTY;

export class Progress {
  #lastLine = 0;
  #shown = false;

  show(jobs: readonly JobView[], note = ""): void {
    const now = performance.now();
    if (!isTerminal && now - this.#lastLine < lineMs) return;
    this.#lastLine = now;
    const text = jobs
      .map((job) => {
        const { queryRate, inputRate } = job.statistics;
        const done = `${job.doneInputs}/${job.totalInputs}`;
        return `${job.name} ${done} at ${queryRate.toFixed(1)} queries/s (${inputRate.toFixed(0)} images/s)`;
      })
      .join("  |  ");
    process.stderr.write(isTerminal ? `\r  ${text} ${note}\u001B[K` : `  ${text} ${note}\n`);
    this.#shown = isTerminal;
  }

  end(): void {
    if (this.#shown) process.stderr.write("\n");
    this.#shown = false;
  }
}

/** Looks at jobs until the condition holds. @throws Error when one of them fails */
export async function watchUntil(
  client: IDunnoClient,
  ids: readonly string[],
  condition: (jobs: readonly JobView[]) => boolean,
  signal: AbortSignal,
): Promise<readonly JobView[]> {
  const progress = new Progress();
  try {
    for (;;) {
      const all = await client.jobs({ signal });
      const jobs = all.filter(({ id }) => ids.includes(id));
      progress.show(jobs);
      const bad = jobs.find(({ state }) => state === "failed" || state === "cancelled");
      if (bad !== undefined) throw new Error(`${bad.id} ${bad.state}: ${bad.why ?? ""}`);
      if (jobs.length === ids.length && condition(jobs)) return jobs;
      await sleep(lookMs, undefined, { signal });
    }
  } finally {
    progress.end();
  }
}

export const share = (jobs: readonly JobView[]): number =>
  jobs.reduce((sum, { doneInputs }) => sum + doneInputs, 0) /
  jobs.reduce((sum, { totalInputs }) => sum + totalInputs, 0);

export interface Recovery {
  readonly leader: string;
  /** From the kill to the first sight of the new leader, and of a result that it committed. */
  readonly leaderMs: number;
  readonly resultMs: number;
}

/**
 * Watches one survivor's own state after the leader was killed. A count seen in the old term may hold results that
 * the old leader had committed; only an increase after the first look in the new term was committed by the new leader.
 */
export async function watchRecovery(
  survivor: IDunnoClient,
  before: { readonly term: number; readonly ids: readonly string[]; readonly killedAt: number },
  signal: AbortSignal,
): Promise<Recovery> {
  let inNewTerm: number | undefined;
  let leaderMs = 0;
  for (;;) {
    const status = await survivor.status({ signal });
    const jobs = await survivor.jobs({ signal });
    const done = jobs
      .filter(({ id }) => before.ids.includes(id))
      .reduce((sum, { doneQueries }) => sum + doneQueries, 0);
    const now = performance.now() - before.killedAt;
    if (status.term > before.term && status.leader !== undefined) {
      if (inNewTerm === undefined) {
        inNewTerm = done;
        leaderMs = now;
      } else if (done > inNewTerm) return { leader: status.leader, leaderMs, resultMs: now };
    }
    await sleep(fineMs, undefined, { signal });
  }
}
