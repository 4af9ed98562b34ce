/** How jobs look in tables. */
import type { AssignmentsView, JobStatisticsView, JobView, QueryView } from "../../lib/api/jobs.ts";
import { humanDuration, humanLogTime, humanRate, humanShare } from "../format.ts";
import type { Column } from "../output.ts";

export const jobColumns: readonly Column<JobView>[] = [
  { name: "job", value: ({ id }) => id },
  { name: "name", value: ({ name }) => name },
  { name: "state", value: ({ state }) => state },
  { name: "model", value: ({ model }) => model },
  { name: "priority", value: ({ priority }) => priority },
  { name: "done", value: ({ doneInputs }) => doneInputs },
  { name: "inputs", value: ({ totalInputs }) => totalInputs },
  { name: "errors", value: ({ errorInputs }) => errorInputs },
  {
    name: "query rate",
    value: ({ statistics }) => statistics.queryRate,
    human: ({ statistics }) => humanRate(statistics.queryRate),
  },
  {
    name: "elapsed",
    value: ({ elapsedMs }) => elapsedMs,
    human: ({ elapsedMs }) => humanDuration(elapsedMs),
  },
  {
    name: "left",
    value: ({ remainingMs }) => remainingMs,
    human: ({ remainingMs }) => (remainingMs === undefined ? "-" : humanDuration(remainingMs)),
  },
];

export const jobDetails: readonly Column<JobView>[] = [
  ...jobColumns,
  { name: "why", value: ({ why }) => why },
  { name: "waiting for", value: ({ waitingFor }) => waitingFor },
  { name: "model version", value: ({ modelVersion }) => modelVersion },
  { name: "retry of", value: ({ retryOf }) => retryOf },
  { name: "batch size", value: ({ batchSize }) => batchSize },
  { name: "weight", value: ({ weight }) => weight },
  { name: "open queries", value: ({ openQueries }) => openQueries },
  { name: "done queries", value: ({ doneQueries }) => doneQueries },
  { name: "retries", value: ({ retries }) => retries },
  { name: "speculative attempts", value: ({ speculativeAttempts }) => speculativeAttempts },
  {
    name: "submitted",
    value: ({ submittedAtMs }) => submittedAtMs,
    human: ({ submittedAtMs }) => humanLogTime(submittedAtMs),
  },
  {
    name: "results",
    value: ({ results }) =>
      results === undefined ? undefined : `${results.path}@${results.version}`,
  },
];

/** A time of a job's queries; there is none before the first has ended. */
function time(
  name: string,
  of: (statistics: JobStatisticsView) => number,
): Column<JobStatisticsView> {
  return {
    name,
    value: of,
    human: (statistics) => (statistics.count === 0 ? "-" : humanDuration(of(statistics))),
  };
}

export const statisticsColumns: readonly Column<JobStatisticsView>[] = [
  { name: "queries", value: ({ count }) => count },
  {
    name: "query rate (last 10 s)",
    value: ({ queryRate }) => queryRate,
    human: ({ queryRate }) => humanRate(queryRate),
  },
  {
    name: "input rate (last 10 s)",
    value: ({ inputRate }) => inputRate,
    human: ({ inputRate }) => humanRate(inputRate),
  },
  time("mean", ({ meanMs }) => meanMs),
  time("standard deviation", ({ standardDeviationMs }) => standardDeviationMs),
  time("median", ({ medianMs }) => medianMs),
  time("p90", ({ p90Ms }) => p90Ms),
  time("p95", ({ p95Ms }) => p95Ms),
  time("p99", ({ p99Ms }) => p99Ms),
];

export const queryColumns: readonly Column<QueryView>[] = [
  { name: "query", value: ({ query }) => query },
  { name: "from", value: ({ from }) => from },
  { name: "inputs", value: ({ count }) => count },
  {
    name: "attempts",
    value: ({ attempts }) => attempts.map(({ attempt, node }) => `${attempt}:${node}`).join(" "),
  },
];

export const assignedNodeColumns: readonly Column<AssignmentsView["nodes"][number]>[] = [
  { name: "node", value: ({ node }) => node },
  { name: "state", value: ({ state }) => state },
  { name: "slots", value: ({ slots }) => slots },
  {
    name: "queries",
    value: ({ queries }) => queries.map(({ job, query }) => `${job}/${query}`).join(" "),
  },
];

export const assignedJobColumns: readonly Column<AssignmentsView["jobs"][number]>[] = [
  { name: "job", value: ({ job }) => job },
  { name: "name", value: ({ name }) => name },
  { name: "nodes", value: ({ nodes }) => nodes.join(" ") },
  { name: "open", value: ({ openQueries }) => openQueries },
  {
    name: "query rate",
    value: ({ queryRate }) => queryRate,
    human: ({ queryRate }) => humanRate(queryRate),
  },
  {
    name: "slot time",
    value: ({ slotTimeShare }) => slotTimeShare,
    human: ({ slotTimeShare }) => humanShare(slotTimeShare),
  },
];
