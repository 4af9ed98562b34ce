/**
 * J5: of the jobs of a class that run and have inputs left, the one furthest behind is handed out next. So while the set of them and
 * their weights stay the same, their progress never gets further apart than it was, or than one query of the lightest
 * job: the rates of hand-out are equal, which is promise P7 in whole queries.
 *
 * J10: while a job of a higher class has inputs left, one of a lower class gets its first query, and after that one query
 * for each time that it has waited a period for each class between.
 */
import type { JobId, LogTime } from "../../../src/lib/types.ts";
import { agedClass, competitorOf } from "../../../src/scheduler/classes.ts";
import type { JobRecord } from "../../../src/scheduler/types.ts";

/** Commands that hand work out after a change of the set before it is judged: one was planned before the change. */
const plannedBefore = 1;
/** Sums of thirds are not exact. */
const rounding = 1e-6;

export class FairTime {
  readonly #classes = new Map<number, FairClass>();
  readonly #ranks = new Ranks();

  /** @param handsOut whether the command just applied handed queries out */
  look(jobs: Iterable<JobRecord>, handsOut: boolean, now: LogTime): void {
    const running = [...jobs].filter(
      ({ status, cursor, totalInputs }) => status.kind === "running" && cursor < totalInputs,
    );
    for (const { priority = 0 } of running)
      if (!this.#classes.has(priority)) this.#classes.set(priority, new FairClass());
    for (const [ofClass, each] of this.#classes)
      each.look(
        running.filter(({ priority = 0 }) => priority === ofClass),
        handsOut,
      );
    this.#ranks.look(running, handsOut, now);
  }

  /** Commands judged, and the largest distance seen. */
  get judged(): number {
    return [...this.#classes.values()].reduce((sum, { judged }) => sum + judged, 0);
  }

  get largestGap(): number {
    return Math.max(0, ...[...this.#classes.values()].map(({ largestGap }) => largestGap));
  }
}

/** J10. */
class Ranks {
  #set = "";
  #handedOut = 0;
  #before: ReadonlyMap<JobId, JobRecord> = new Map();

  look(running: readonly JobRecord[], handsOut: boolean, now: LogTime): void {
    const set = running.map(({ id, priority = 0 }) => `${id}*${priority}`).join();
    if (set !== this.#set) {
      this.#set = set;
      this.#handedOut = 0;
    } else if (handsOut) this.#handedOut += 1;
    if (handsOut && this.#handedOut > plannedBefore)
      for (const job of running) this.#judge(job, running, now);
    this.#before = new Map(running.map((job) => [job.id, job]));
  }

  #judge(job: JobRecord, running: readonly JobRecord[], now: LogTime): void {
    const before = this.#before.get(job.id);
    // Its first query is everybody's due.
    if (before === undefined || before.cursor === 0 || job.cursor === before.cursor) return;
    const carved = Math.round((job.progress - before.progress) * job.weight);
    const highest = Math.max(...running.map(({ priority = 0 }) => priority));
    if ((job.priority ?? 0) === highest) return;
    if (carved > 1 || agedClass(competitorOf(before), now) < highest)
      throw new Error(
        `J10: ${job.id} of class ${job.priority ?? 0} gets ${carved} queries beside class ${highest}, ` +
          `served last at ${competitorOf(before).servedAt}, now ${now}`,
      );
  }
}

class FairClass {
  /** Commands judged. */
  judged = 0;
  /** The largest distance in queries of the lightest job, among jobs that had been together within one. */
  largestGap = 0;
  #set = "";
  #handedOut = 0;
  #bound = 0;
  #members: ReadonlySet<string> = new Set();

  /** @param running the jobs of the class that compete */
  look(running: readonly JobRecord[], handsOut: boolean): void {
    this.#greet(running);
    const set = running.map(({ id, weight }) => `${id}*${weight}`).join();
    if (set !== this.#set) {
      this.#set = set;
      this.#handedOut = 0;
    } else if (handsOut) this.#handedOut += 1;
    if (running.length < 2 || !handsOut) return;
    const progress = running.map((job) => job.progress);
    const spread = Math.max(...progress) - Math.min(...progress);
    const step = 1 / Math.min(...running.map(({ weight }) => weight));
    if (this.#handedOut <= plannedBefore) {
      this.#bound = Math.max(spread, step);
      return;
    }
    this.judged += 1;
    if (spread > this.#bound + rounding)
      throw new Error(
        `J5: ${running.map((job) => `${job.id} is at ${job.progress}`).join(", ")}, ` +
          `apart by more than ${this.#bound} queries`,
      );
    if (this.#bound <= step) this.largestGap = Math.max(this.largestGap, spread / step);
    this.#bound = Math.max(spread, step);
  }

  /** Who comes or comes back begins no further behind than the one furthest behind of those that compete. */
  #greet(running: readonly JobRecord[]): void {
    const stayed = running.filter(({ id }) => this.#members.has(id));
    const least = Math.min(...stayed.map(({ progress }) => progress));
    for (const { id, progress } of running)
      if (stayed.length > 0 && !this.#members.has(id) && progress < least - rounding)
        throw new Error(`J5: ${id} begins at ${progress}, the others are at ${least} or further`);
    this.#members = new Set(running.map(({ id }) => id));
  }
}
