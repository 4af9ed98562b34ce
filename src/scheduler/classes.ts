/**
 * Priorities: jobs that compete stand in classes, and the highest class is served first. Inside a class nothing changes:
 * fair time decides. So that nobody starves, whoever waits counts as of a higher class, one step for each period.
 *
 * A class is judged by its job that is furthest behind, which is the one that it would serve: that way ageing never
 * changes who is next inside a class, and weights hold there whether it is served always or rarely.
 */
import { Heap } from "../lib/heap.ts";
import type { JobId, LogTime } from "../lib/types.ts";

/** Integer classes, from least to most: more than anybody tells apart, and few enough that a plan looks at all of them. */
export const priorities = { least: -10, most: 10 } as const;

/**
 * Log time without a query after which a job counts one class higher, in ms. Long against a query of a large network (some
 * 2 s), so that jobs which wait take little from those above them; the lowest class still gets a query every ten minutes.
 */
export const ageingMs = 30_000;

/** What of a job decides its turn. */
export interface Competitor {
  readonly id: JobId;
  readonly priority: number;
  /** When it last got a query, or came back, or was submitted. */
  readonly servedAt: LogTime;
  readonly progress: number;
}

/** The class that a job counts as after waiting until now. */
export function agedClass(
  { priority, servedAt }: Pick<Competitor, "priority" | "servedAt">,
  now: LogTime,
): number {
  return priority + Math.max(0, Math.floor((now - servedAt) / ageingMs));
}

/** The job's own class, submission and last query, as rows of any version say them. */
export function competitorOf(job: {
  readonly id: JobId;
  readonly submittedAt: LogTime;
  readonly startedAt: LogTime | undefined;
  readonly progress: number;
  readonly priority?: number | undefined;
  readonly servedAt?: LogTime | undefined;
}): Competitor {
  const { id, progress, priority = 0, servedAt = job.startedAt ?? job.submittedAt } = job;
  return { id, progress, priority, servedAt };
}

/** Jobs that compete, the one whose turn it is first. What was popped may be pushed again, changed. */
export class Standings<T extends Competitor> {
  readonly #classes = new Map<number, Heap<T>>();
  readonly #now: LogTime;

  constructor(now: LogTime) {
    this.#now = now;
  }

  push(job: T): void {
    let members = this.#classes.get(job.priority);
    if (members === undefined) {
      members = new Heap<T>(isFurtherBehind);
      this.#classes.set(job.priority, members);
    }
    members.push(job);
  }

  /** @param isOut of jobs that do not compete any more: they go, and their class is judged by its next one */
  pop(isOut: (job: T) => boolean = () => false): T | undefined {
    let first: T | undefined;
    for (const members of this.#classes.values()) {
      let job = members.peek();
      for (; job !== undefined && isOut(job); job = members.peek()) members.pop();
      if (job !== undefined && (first === undefined || this.#isBefore(job, first))) first = job;
    }
    return first === undefined ? undefined : this.#classes.get(first.priority)?.pop();
  }

  /** Of two classes the higher, as aged; of equals whoever has waited longer; at last the one that is higher by itself. */
  #isBefore(a: T, b: T): boolean {
    const classes = agedClass(a, this.#now) - agedClass(b, this.#now);
    if (classes !== 0) return classes > 0;
    return a.servedAt === b.servedAt ? a.priority > b.priority : a.servedAt < b.servedAt;
  }
}

/** Fair time inside a class. Ids are `j` and a log index: a shorter one is the earlier. */
export function isFurtherBehind(
  a: Pick<Competitor, "id" | "progress">,
  b: Pick<Competitor, "id" | "progress">,
): boolean {
  if (a.progress !== b.progress) return a.progress < b.progress;
  return a.id.length === b.id.length ? a.id < b.id : a.id.length < b.id.length;
}
