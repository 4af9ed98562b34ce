/** What many runs came to, together. */
import type { Report } from "../simulate.ts";

/** Speed is told of the runs with so many nodes. */
const usualNodes = 5;

export class Summary {
  readonly #reports: Report[] = [];
  /** Real milliseconds of the runs with {@link usualNodes} nodes. */
  #usualMs = 0;
  #realMs = 0;

  add(report: Report, realMs: number): void {
    this.#reports.push(report);
    this.#realMs += realMs;
    if (report.nodes === usualNodes) this.#usualMs += realMs;
  }

  get runs(): number {
    return this.#reports.length;
  }

  /** Lines for people. */
  get lines(): readonly string[] {
    const sum = (of: (report: Report) => number): number =>
      this.#reports.reduce((total, report) => total + of(report), 0);
    const virtualMs = sum(({ virtualMs: ms }) => ms);
    const usual = this.#reports
      .filter(({ nodes }) => nodes === usualNodes)
      .reduce((total, report) => total + report.virtualMs, 0);
    const faults = new Map<string, number>();
    for (const report of this.#reports)
      for (const [what, times] of report.faults) faults.set(what, (faults.get(what) ?? 0) + times);
    const failovers = this.#reports.flatMap((report) => report.failovers).sort((a, b) => a - b);
    return [
      `${this.runs} runs passed: ${(virtualMs / 3_600_000).toFixed(2)} simulated hours in ${(this.#realMs / 1_000).toFixed(0)} s, ` +
        `${ratio(virtualMs, this.#realMs)} times real time (${usualNodes} nodes: ${ratio(usual, this.#usualMs)})`,
      `${sum(({ events }) => events)} events, ${sum(({ messages }) => messages)} messages, ` +
        `${sum(({ committed }) => committed)} entries committed, ${sum(({ elections }) => elections)} elections won`,
      `requests: ${sum(({ requests }) => requests.done)} done, ${sum(({ requests }) => requests.refused)} refused, ` +
        `${sum(({ requests }) => requests.unknown)} of unknown outcome; ${sum(({ jobsDone }) => jobsDone)} jobs done`,
      `faults: ${[...faults]
        .sort(([, a], [, b]) => b - a)
        .map(([what, times]) => `${what} ${times}`)
        .join(", ")}`,
      `leader lost to next commit: median ${quantile(failovers, 0.5)} ms, p99 ${quantile(failovers, 0.99)} ms (${failovers.length} times)`,
      `fair time: ${sum(({ fairHandOuts }) => fairHandOuts)} hand-outs judged, jobs apart by at most ` +
        `${Math.max(0, ...this.#reports.map(({ largestGap }) => largestGap)).toFixed(2)} queries; ` +
        `${sum(({ probationHandOuts }) => probationHandOuts)} judged of jobs on probation`,
      `preemption: ${sum(({ preemptions }) => preemptions.newcomers)} newcomers found every slot busy, ` +
        `${sum(({ preemptions }) => preemptions.stands)} slots stood still for one, ` +
        `${sum(({ preemptions }) => preemptions.lost)} when their process ended`,
      `${sum(({ answersWaited }) => answersWaited)} results of brief pieces waited for others`,
      `${sum(({ speculations }) => speculations)} late queries were given to a second node, ` +
        `${sum(({ retries }) => retries)} jobs retried others`,
    ];
  }
}

function ratio(virtualMs: number, realMs: number): string {
  return realMs === 0 ? "-" : (virtualMs / realMs).toFixed(0);
}

/** Nearest rank. */
function quantile(sorted: readonly number[], share: number): string {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? "-" : value.toFixed(0);
}
