/**
 * J5: jobs that run side by side, none of them changed meanwhile, are handed queries at equal rates, weight by weight.
 * Measured over windows in which the set of such jobs was the same, as promise P7 does in whole queries.
 */
import type { JobId } from "../../../src/lib/types.ts";
import type { JobRecord } from "../../../src/scheduler/types.ts";

/** How long the set must have been stable before the gap counts, ms of virtual time: jobs here are short. */
const windowMs = 2_000;
/**
 * Queries, weighed, by which two jobs may differ over a window: a job that starts or resumes begins at the running
 * minimum, at most one query of the lightest job away; one more for the hand-out under way.
 */
const gapQueries = 2;

interface Window {
  readonly key: string;
  readonly since: number;
  readonly progress: ReadonlyMap<JobId, number>;
}

export class FairTime {
  /** Windows over which the gap was measured. */
  windows = 0;
  /** The largest gap seen, in queries of the heavier weight. */
  largestGap = 0;
  #window: Window | undefined;

  look(jobs: Iterable<JobRecord>, now: number): void {
    const running = [...jobs].filter(
      ({ status, cursor, totalInputs }) => status.kind === "running" && cursor < totalInputs,
    );
    const key = running.map(({ id, weight, batchSize }) => `${id}*${weight}*${batchSize}`).join();
    if (key !== this.#window?.key) {
      const progress = new Map(running.map((job) => [job.id, job.progress]));
      this.#window = { key, since: now, progress };
      return;
    }
    if (running.length < 2 || now - this.#window.since < windowMs) return;
    this.#measure(running, this.#window);
    this.#window = {
      key,
      since: now,
      progress: new Map(running.map((job) => [job.id, job.progress])),
    };
  }

  #measure(running: readonly JobRecord[], window: Window): void {
    this.windows += 1;
    const gains = running.map(
      ({ id, progress }) => progress - (window.progress.get(id) ?? progress),
    );
    const heaviest = Math.max(...running.map(({ weight }) => 1 / weight));
    const gap = (Math.max(...gains) - Math.min(...gains)) / heaviest;
    this.largestGap = Math.max(this.largestGap, gap);
    if (gap > gapQueries)
      throw new Error(
        `J5: in ${windowMs} ms ${running.map(({ id }, i) => `${id} gained ${gains[i]}`).join(", ")}`,
      );
  }
}
