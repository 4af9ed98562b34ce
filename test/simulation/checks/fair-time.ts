/**
 * J5: of the jobs of a class that compete (they run, have inputs left, and have passed their probation, or nobody has) the one
 * furthest behind is handed out next, unless every slot of the node has a query of it already: there jobs take turns
 * (policy.ts, F1 and F2). Who comes or comes back is not further behind than the others.
 *
 * J10: while such a job of a higher class has inputs left, one of a lower class gets its first query, and after that one query
 * for each time that it has waited a period for each class between.
 */
import type { JobId, LogTime, NodeId } from "../../../src/lib/types.ts";
import { agedClass, competitorOf } from "../../../src/scheduler/classes.ts";
import type { Machine } from "../../../src/machine/machine.ts";
import { isOnProbation } from "../../../src/scheduler/probation.ts";
import type { JobRecord } from "../../../src/scheduler/types.ts";
import type { HandedOut } from "./handed-out.ts";
import { ProbationShare } from "./probation-share.ts";

/** Commands that hand work out after a change of the set before it is judged: one was planned before the change. */
const plannedBefore = 1;
/** Sums of thirds are not exact. */
const rounding = 1e-6;

export class FairTime {
  readonly #classes = new Map<number, FairClass>();
  readonly #ranks = new Ranks();
  readonly probationShare = new ProbationShare();

  /**
   * @param machine after a command
   * @param handed what that one handed out; undefined when it hands nothing out
   */
  look(machine: Machine, handed: HandedOut | undefined): void {
    this.probationShare.look(machine, handed);
    const handsOut = handed !== undefined;
    const waiting = [...machine.jobs.values()].filter(
      ({ status, cursor, totalInputs }) => status.kind === "running" && cursor < totalInputs,
    );
    const passed = waiting.filter((job) => !isOnProbation(job));
    // Where nobody has passed, all compete.
    const running = passed.length > 0 ? passed : waiting;
    for (const { priority = 0 } of running)
      if (!this.#classes.has(priority)) this.#classes.set(priority, new FairClass());
    for (const [ofClass, each] of this.#classes)
      each.look(
        running.filter(({ priority = 0 }) => priority === ofClass),
        waiting.filter(({ priority = 0 }) => priority === ofClass),
        handed,
      );
    this.#ranks.look(running, handsOut, machine.logTime);
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
  /** First hand-outs judged. */
  judged = 0;
  /** The largest distance in queries of the lightest job. */
  largestGap = 0;
  #set = "";
  #handedOut = 0;
  /** Their progress when they were last looked at. */
  #members: ReadonlyMap<string, number> = new Map();
  /** Those that had inputs left then, whether they competed or not. */
  #known: ReadonlySet<string> = new Set();
  #before: ReadonlyMap<JobId, JobRecord> = new Map();

  /**
   * @param running the jobs of the class that compete
   * @param waiting all of them that run and have inputs left
   */
  look(
    running: readonly JobRecord[],
    waiting: readonly JobRecord[],
    handed: HandedOut | undefined,
  ): void {
    this.#greet(running);
    this.#known = new Set(waiting.map(({ id }) => id));
    const set = running.map(({ id, weight }) => `${id}*${weight}`).join();
    if (set !== this.#set) {
      this.#set = set;
      this.#handedOut = 0;
    } else if (handed !== undefined) this.#handedOut += 1;
    if (running.length > 1 && handed !== undefined && this.#handedOut > plannedBefore)
      this.#judge(running, handed);
    this.#before = new Map(running.map((job) => [job.id, job]));
  }

  #judge(running: readonly JobRecord[], { queries, inHand, slots }: HandedOut): void {
    const progress = new Map([...this.#before].map(([id, job]) => [id, job.progress]));
    const given = new Map<string, number>();
    const has = (node: NodeId, id: JobId): number =>
      inHand(node, id) + (given.get(`${node}/${id}`) ?? 0);
    const count = (node: NodeId, id: JobId): void => {
      given.set(`${node}/${id}`, (given.get(`${node}/${id}`) ?? 0) + 1);
    };
    for (const { job: id, node, isNew } of queries) {
      const before = this.#before.get(id);
      const mine = progress.get(id);
      if (!isNew) count(node, id);
      if (!isNew || before === undefined || mine === undefined) continue;
      // The first query is everybody's due.
      if (before.cursor > 0 || mine > before.progress)
        for (const other of running)
          if (
            (progress.get(other.id) ?? Infinity) < mine - rounding &&
            has(node, other.id) < slots(node)
          )
            throw new Error(
              `J5: ${node} gets a query of ${id} at ${mine}, though ${other.id} is at ` +
                `${progress.get(other.id)} and has ${has(node, other.id)} there`,
            );
      this.judged += 1;
      progress.set(id, mine + 1 / before.weight);
      count(node, id);
    }
    const all = running.map((job) => job.progress);
    const step = 1 / Math.min(...running.map(({ weight }) => weight));
    this.largestGap = Math.max(this.largestGap, (Math.max(...all) - Math.min(...all)) / step);
  }

  /**
   * Who comes or comes back begins no further behind than the one furthest behind of those that compete. Of who only passes its
   * probation product.ts sees that it is not set back.
   */
  #greet(running: readonly JobRecord[]): void {
    const stayed = [...this.#members.values()];
    const least = Math.min(...stayed);
    for (const { id, progress } of running)
      if (stayed.length > 0 && !this.#known.has(id) && progress < least - rounding)
        throw new Error(`J5: ${id} begins at ${progress}, the others are at ${least} or further`);
    this.#members = new Map(running.map(({ id, progress }) => [id, progress]));
  }
}
