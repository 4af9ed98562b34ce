/**
 * What a running job waits for that makes no progress: as far as the replicated state tells. The rest only those nodes know that
 * have its queries in hand. A view for people: no decision rests on it.
 */
import { quantile } from "../lib/histogram.ts";
import type { LogTime, NodeId } from "../lib/types.ts";
import { isOnProbation } from "./probation.ts";
import { hasWork, nextCount } from "./rows.ts";
import type { JobRecord, QueryRecord } from "./types.ts";

/** Log time without a result, in ms, after which a job is said to wait: no query of a sound network takes longer. */
const leastMs = 10_000;
/** Times its p95, for a network that does. */
const patience = 4;

export interface StallInput {
  readonly now: LogTime;
  /** All jobs, the one in question included. */
  readonly jobs: Iterable<JobRecord>;
  readonly openQueries: Iterable<QueryRecord>;
  /** Slots of nodes that are up and take work. */
  readonly slots: number;
}

export type Stall =
  | { readonly kind: "known"; readonly why: string }
  /** These have its queries in hand. */
  | { readonly kind: "in-hand"; readonly nodes: readonly NodeId[] };

/** undefined: it does not run, or makes progress. */
export function stallOf(job: JobRecord, input: StallInput): Stall | undefined {
  if (job.status.kind !== "running" || input.now - progressAt(job) < patienceMs(job))
    return undefined;
  if (input.slots === 0) return known("a node with slots: none is up");
  const open = [...input.openQueries];
  const nodes = new Set(open.flatMap(({ attempts }) => attempts.map(({ node }) => node)));
  if (nodes.size > 0) return { kind: "in-hand", nodes: [...nodes] };
  if (open.length > 0) return known("a node that takes its queries over");
  if (nextCount(job) === 0) return known("its results file to have its copies");
  return known(behind(job, [...input.jobs]));
}

function behind(job: JobRecord, jobs: readonly JobRecord[]): string {
  const others = jobs.filter((other) => other.id !== job.id && hasWork(other));
  const { priority = 0 } = job;
  const higher = others.filter((other) => (other.priority ?? 0) > priority).map(({ id }) => id);
  if (higher.length > 0) return `jobs of a higher priority: ${higher.slice(0, 3).join(", ")}`;
  if (isOnProbation(job) && others.length > 0)
    return "a place among jobs on probation: its queries ended executors";
  return "a free slot";
}

function known(why: string): Stall {
  return { kind: "known", why };
}

/** Its last result, or query, or its submission: whichever was last. */
function progressAt({ statistics, submittedAt, servedAt = submittedAt }: JobRecord): number {
  const lastSecond = statistics.recent.at(-1)?.[0] ?? 0;
  return Math.max(submittedAt, servedAt, lastSecond * 1_000);
}

function patienceMs({ statistics }: JobRecord): number {
  return Math.max(leastMs, patience * (quantile(statistics.histogram, 0.95) ?? 0));
}
