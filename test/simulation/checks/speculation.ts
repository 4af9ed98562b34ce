/**
 * J12: while an attempt of a query goes on, the query is given to one other node at most, only when its job has nothing else
 * left to hand out, and never as a suspect, which is late because it waits its turn (scheduler/policy.ts, F7).
 */
import type { JobRecord, QueryRecord } from "../../../src/scheduler/types.ts";

export class Speculation {
  /** Queries that were given out a second time while the first went on. */
  times = 0;
  readonly #open = new Map<string, QueryRecord>();

  /** A query row has changed, or is gone. */
  look(key: string, query: QueryRecord | undefined, job: JobRecord | undefined): void {
    const before = this.#open.get(key);
    if (query === undefined) this.#open.delete(key);
    else this.#open.set(key, query);
    if (query === undefined || before === undefined) return;
    const { attempts, lastAttempt } = query;
    const newest = attempts.find(({ attempt }) => attempt === lastAttempt);
    if (newest === undefined || lastAttempt === before.lastAttempt) return;
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
}
