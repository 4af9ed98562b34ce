/**
 * What becomes of a query that killed its executor or hung in it. The input that did it is found by halving, so that it
 * alone gets an error record, and only where there is no doubt that it was the input and not the machine.
 *
 * T1 A failure counts once, and only while its attempt is one of the query's: what went down, or lost the race, says nothing.
 * T2 A query of several inputs is split: its row becomes a result that names its two halves, which are open queries of
 *    their own, to be run alone. Together they cover what it covered.
 * T3 One input is recorded as failed only after it failed on two nodes; twice on one where no other may work.
 * T4 Node loss, a new boot and a neighbour's crash are no failures: what workers report happened in a process of the query's own
 *    (inference/isolation.ts), or was a time-out of several inputs, which only makes suspects of their halves.
 */
import type { Rows } from "../lib/rows.ts";
import { assert, Attempt, type JobId, type NodeId, QueryNumber } from "../lib/types.ts";
import type { InputErrorCode } from "./results.ts";
import { queries, queryId, results } from "./rows.ts";
import type { JobRecord, QueryFailure, QueryRecord, ResultRow } from "./types.ts";

/** Failures of one input after which it is given up in any case: who may work changes while it is tried. */
const failuresAtMost = 4;

/** What is recorded of an input that failed so. */
export const failureCodes: Readonly<Record<QueryFailure, InputErrorCode>> = {
  killed: "killed_executor",
  hung: "timed_out",
};

/** T2. @returns the job as it is then */
export function split(rows: Rows, job: JobRecord, query: QueryRecord): JobRecord {
  const { from, count } = query;
  assert(count > 1, "one input is not split");
  const first = Math.ceil(count / 2);
  const [left, right] = [QueryNumber(job.nextQuery), QueryNumber(job.nextQuery + 1)];
  const open = (number: QueryNumber, part: Pick<QueryRecord, "from" | "count">): void => {
    const half: QueryRecord = {
      job: job.id,
      query: number,
      ...part,
      lastAttempt: Attempt(0),
      attempts: [],
      suspect: true,
    };
    queries.put(rows, queryId(job.id, number), half);
  };
  queries.delete(rows, queryId(job.id, query.query));
  results.put(rows, queryId(job.id, query.query), {
    from,
    count,
    outputs: [],
    into: [left, right],
  });
  open(left, { from, count: first });
  open(right, { from: from + first, count: count - first });
  return { ...job, nextQuery: QueryNumber(job.nextQuery + 2), openQueries: job.openQueries + 1 };
}

/**
 * The results of a query in input order: its own row, or those of the halves that it was split into; undefined in the place of
 * one that has none yet.
 */
export function* resultsOf(
  job: JobId,
  row: ResultRow,
  rowOf: (key: string) => unknown,
): Generator<ResultRow | undefined> {
  if (row.into === undefined) {
    yield row;
    return;
  }
  for (const half of row.into) {
    const found = rowOf(results.key(queryId(job, half))) as ResultRow | undefined;
    if (found === undefined) yield undefined;
    else yield* resultsOf(job, found, rowOf);
  }
}

/** T3. @param workers nodes that may be given work now */
export function isGuilty(blamed: readonly NodeId[], workers: readonly NodeId[]): boolean {
  const nodes = new Set(blamed);
  if (nodes.size >= 2 || blamed.length >= failuresAtMost) return true;
  return blamed.length >= 2 && workers.every((node) => nodes.has(node));
}
