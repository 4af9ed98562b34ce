/**
 * J13: while a job that has passed its probation runs and has inputs left, those on probation are handed more, beside the first
 * query of each, only as long as they have less in hand than their share of the slots (scheduler/policy.ts, F10).
 */
import type { JobId } from "../../../src/lib/types.ts";
import type { Machine } from "../../../src/machine/machine.ts";
import { takesMore } from "../../../src/machine/tables.ts";
import { isOnProbation, probationQueries } from "../../../src/scheduler/probation.ts";
import { hasWork } from "../../../src/scheduler/rows.ts";
import type { HandedOut } from "./handed-out.ts";

/** How things stand between two commands. */
interface Standing {
  /** A command that hands out was planned for another one when this differs. */
  readonly key: string;
  /** undefined: nobody has passed who could lose anything. */
  readonly most: number | undefined;
  readonly inHand: number;
  /** Those on probation, and whether they have had their first query. */
  readonly begun: ReadonlyMap<JobId, boolean>;
}

export class ProbationShare {
  /** Queries of jobs on probation that were judged. */
  judged = 0;
  #last: Standing | undefined;
  #isSettled = false;

  /** @param machine after a command; @param handed what that one handed out */
  look(machine: Machine, handed: HandedOut | undefined): void {
    if (handed !== undefined && this.#last !== undefined && this.#isSettled)
      this.#judge(this.#last, handed);
    const now = standing(machine);
    // What is handed out next was planned now, unless another command changes who competes before that.
    this.#isSettled = handed !== undefined || (this.#isSettled && this.#last?.key === now.key);
    this.#last = now;
  }

  #judge({ most, inHand, begun }: Standing, { queries }: HandedOut): void {
    if (most === undefined) return;
    let held = inHand;
    const hasBegun = new Map(begun);
    for (const { job, isNew } of queries) {
      const isSecond = hasBegun.get(job);
      if (!isNew || isSecond === undefined) continue;
      if (isSecond && held >= most)
        throw new Error(
          `J13: ${job} is on probation and gets more, though ${held} of ${most} are in hand`,
        );
      hasBegun.set(job, true);
      held += 1;
      this.judged += 1;
    }
  }
}

function standing({ jobs: all, members }: Machine): Standing {
  const jobs = [...all.values()].filter(
    ({ status }) => status.kind === "running" || status.kind === "paused",
  );
  const competing = jobs.filter(hasWork);
  const onProbation = jobs.filter(isOnProbation);
  const slots = [...members.values()].filter(takesMore).reduce((sum, each) => sum + each.slots, 0);
  const isShared = competing.some((job) => !isOnProbation(job));
  return {
    key: [
      slots,
      ...jobs.map((job) => `${job.id} ${job.status.kind} ${isOnProbation(job)}`),
      ...competing.map(({ id }) => id),
    ].join(),
    most: isShared ? probationQueries(slots) : undefined,
    inHand: onProbation.reduce((sum, { openQueries }) => sum + openQueries, 0),
    begun: new Map(onProbation.map(({ id, cursor }) => [id, cursor > 0])),
  };
}
