/** Mistakes in what is run a second time: late queries at a job's end, and jobs that retry others. */
import { type Mutant, mutants } from "../mutant.ts";

const late = mutants({ file: "src/scheduler/policy.ts", world: "cluster" }, [
  {
    name: "late-query-goes-to-the-same-node",
    bug: "F7: a late query is given to the very node that is at it",
    find: "find(({ node }) => node !== attempts[0]?.node)",
    replace: "find(({ slots }) => slots > 0)",
    seenBy: "J12",
  },
  {
    name: "late-query-goes-everywhere",
    bug: "F7: a late query is given to one idle slot after the other, not to one",
    find: "attempts.length === 1 && only !== undefined",
    replace: "only !== undefined",
    seenBy: "J12",
  },
  {
    name: "suspect-is-late",
    bug: "F7: a suspect, which waits for its turn alone, is doubled as late",
    find: "only.at < lateFrom && suspect !== true",
    replace: "only.at < lateFrom",
    seenBy: "J12",
  },
]);

const loser: readonly Mutant[] = [
  {
    name: "loser-counts-too",
    bug: "S2: of a query that two nodes are at, the later result counts as well",
    file: "src/scheduler/work.ts",
    find: "queries.delete(rows, id);",
    replace:
      "if (query.attempts.length > 1) queries.put(rows, id, { ...query, attempts: query.attempts.slice(1) });\n  else queries.delete(rows, id);",
    world: "cluster",
    seenBy: "J7, S2",
  },
  {
    name: "late-attempt-counts-as-a-retry",
    bug: "what is run beside a late attempt is told as if something had been lost",
    file: "src/scheduler/work.ts",
    find: "others.length === 0",
    replace: "others.length >= 0",
    world: "cluster",
    seenBy: "J7",
  },
];

const retries = mutants({ file: "src/node/retry.ts", world: "cluster" }, [
  {
    name: "retry-takes-every-line",
    bug: "J11: the retry of a job that is done takes the inputs that have results, too",
    find: "if (bytes.subarray(from, end).includes(errorMark))",
    replace: "if (end > from)",
    seenBy: "J11",
  },
  {
    name: "retry-takes-done-inputs",
    bug: "J11: the retry of a job that was broken off takes the inputs that have results, too",
    find: 'if (typeof output === "string") yield',
    replace: "if (output !== undefined) yield",
    seenBy: "J11",
  },
  {
    name: "retry-misses-the-rest",
    bug: "J11: what a job never came to before it was broken off is not in its retry",
    find: "if (next < totalInputs) yield { from: next, count: totalInputs - next };",
    replace: "",
    seenBy: "J11",
  },
  {
    name: "retry-misses-a-gap",
    bug: "J11: queries that were open when a job was broken off are not in its retry",
    find: "if (from > next) yield { from: next, count: from - next };",
    replace: "",
    seenBy: "J11",
  },
  {
    name: "retry-of-a-running-job",
    bug: "J11: a job is retried while it runs; when it has ended by the time that this is decided, inputs are done twice",
    find: "if (!hasEnded(status))\n    throw",
    replace: 'if (status.kind === "paused")\n    throw',
    seenBy: "J11",
  },
]);

export const secondTryMutants: readonly Mutant[] = [...late, ...loser, ...retries];
