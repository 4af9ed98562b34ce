/** J7: what a job says of itself is what its rows say. J3: its open queries are those that were carved and are not done. */
import { hasEnded } from "../../../src/scheduler/rows.ts";
import type { JobRecord, QueryRecord } from "../../../src/scheduler/types.ts";
import type { Again } from "./speculation.ts";

/** What its rows have said of a job. */
export interface Counted extends Again {
  /** The next input that no query covers. */
  readonly cursor: number;
  readonly carved: ReadonlyMap<number, unknown>;
  /** Queries with a result, or split. */
  readonly done: ReadonlySet<number>;
  readonly splits: number;
  readonly doneInputs: number;
  readonly errorInputs: number;
}

/** @param open the queries that the job's state calls open */
export function checkCounts(
  job: JobRecord,
  open: readonly Pick<QueryRecord, "query">[],
  counted: Counted,
): void {
  const { carved, done } = counted;
  const wanted = hasEnded(job.status) ? [] : [...carved.keys()].filter((each) => !done.has(each));
  const said = {
    cursor: job.cursor,
    open: job.openQueries,
    done: job.doneQueries,
    inputs: job.doneInputs,
    errors: job.errorInputs,
    retries: job.retries,
    speculative: job.speculativeAttempts ?? 0,
  };
  const found = {
    cursor: counted.cursor,
    open: wanted.length,
    done: done.size - counted.splits,
    inputs: counted.doneInputs,
    errors: counted.errorInputs,
    retries: counted.retries,
    speculative: counted.speculative,
  };
  if (
    JSON.stringify(said) !== JSON.stringify(found) ||
    sorted(open.map(({ query }) => query)) !== sorted(wanted)
  )
    throw new Error(
      `J7: ${job.id} says ${JSON.stringify(said)}, its rows ${JSON.stringify(found)} with ${open.length} open`,
    );
}

function sorted(numbers: readonly number[]): string {
  return numbers.toSorted((a, b) => a - b).join();
}
