/**
 * J5: of the jobs that run and have inputs left, the one furthest behind is handed out next. So while the set of them and
 * their weights stay the same, their progress never gets further apart than it was, or than one query of the lightest
 * job: the rates of hand-out are equal, which is promise P7 in whole queries.
 */
import type { JobRecord } from "../../../src/scheduler/types.ts";

/** Commands that hand work out after a change of the set before it is judged: one was planned before the change. */
const plannedBefore = 1;
/** Sums of thirds are not exact. */
const rounding = 1e-6;

export class FairTime {
  /** Commands judged. */
  judged = 0;
  /** The largest distance in queries of the lightest job, among jobs that had been together within one. */
  largestGap = 0;
  #set = "";
  #handedOut = 0;
  #bound = 0;
  #members: ReadonlySet<string> = new Set();

  /** @param handsOut whether the command just applied handed queries out */
  look(jobs: Iterable<JobRecord>, handsOut: boolean): void {
    const running = [...jobs].filter(
      ({ status, cursor, totalInputs }) => status.kind === "running" && cursor < totalInputs,
    );
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
