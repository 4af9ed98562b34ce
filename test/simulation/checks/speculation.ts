/**
 * J12: while an attempt of a query goes on, the query is given to one other node at most, only when its job has nothing else
 * left to hand out, and never as a suspect, which is late because it waits its turn (scheduler/policy.ts, F7). Beside J12 it
 * counts, for J7, what each job had handed out again.
 */
import type { JobRecord, QueryRecord } from "../../../src/scheduler/types.ts";

/** Attempts but the first of each query. */
export interface Again {
  /** While no other attempt at the query went on. */
  readonly retries: number;
  /** Beside one that went on. */
  readonly speculative: number;
}

export class Speculation {
  /** Queries that were given out a second time while the first went on. */
  times = 0;
  readonly #open = new Map<string, QueryRecord>();
  readonly #again = new Map<string, Again>();

  again(job: string): Again {
    return this.#again.get(job) ?? { retries: 0, speculative: 0 };
  }

  /** A query row has changed, or is gone. */
  look(key: string, query: QueryRecord | undefined, job: JobRecord | undefined): void {
    const before = this.#open.get(key);
    if (query === undefined) this.#open.delete(key);
    else this.#open.set(key, query);
    if (query === undefined || before === undefined) return;
    const { attempts, lastAttempt } = query;
    const newest = attempts.find(({ attempt }) => attempt === lastAttempt);
    if (newest === undefined || lastAttempt === before.lastAttempt) return;
    this.#count(query);
    if (before.attempts.length === 0) return;
    const where = `${key} is given to ${newest.node}`;
    if (before.attempts.some(({ node }) => node === newest.node))
      throw new Error(`J12: ${where}, which is at it`);
    if (before.attempts.length > 1) throw new Error(`J12: ${where}, the third at a time`);
    if (before.suspect === true) throw new Error(`J12: ${where}, though it is a suspect`);
    if (job !== undefined && job.cursor < job.totalInputs)
      throw new Error(`J12: ${where} as well, before all inputs of the job are handed out`);
    this.times += 1;
  }

  #count({ job, attempts }: QueryRecord): void {
    const { retries, speculative } = this.again(job);
    const isAlone = attempts.length === 1;
    this.#again.set(
      job,
      isAlone ? { retries: retries + 1, speculative } : { retries, speculative: speculative + 1 },
    );
  }
}
