/** Plans on a replica, carried out and followed through virtual time. */
import type { AssignedQuery } from "../../src/lib/outcome.ts";
import { Attempt, type JobId, LogTime, type NodeId } from "../../src/lib/types.ts";
import { planAssignments } from "../../src/scheduler/policy.ts";
import { type NodeCapacity } from "../../src/scheduler/room.ts";
import type { Assign } from "../../src/scheduler/types.ts";
import { type Replica, completion, nodeName, outputs, work } from "../machine/fixtures.ts";

export const capacity = (n: number, slots = 2): NodeCapacity => ({
  node: nodeName(n),
  boot: `boot${n}`,
  slots,
});
export type Predicted = (job: JobId, node: NodeId, inputs: number) => number | undefined;
export const unknown: Predicted = () => undefined;

export function plan(
  replica: Replica,
  nodes: readonly NodeCapacity[],
  predictedMs = unknown,
): readonly Assign[] {
  const { machine } = replica;
  return planAssignments({
    jobs: machine.jobs.values(),
    openQueries: (job) => machine.openQueries(job),
    nodes,
    now: LogTime(replica.at),
    predictedMs,
  });
}

/** Applies a plan, and checks that apply took all of it: the simulation inside the plan was right. */
export function carryOut(replica: Replica, assigns: readonly Assign[]): readonly AssignedQuery[] {
  const { outcome } = replica.must(work([], assigns));
  const { value } = outcome as Extract<typeof outcome, { kind: "ok" }>;
  if (value.kind !== "assigned" || value.assigned.length !== assigns.length)
    throw new Error("the plan does not fit the state");
  return value.assigned;
}

/** Has each job's first query done on node 1: it has passed its probation (F10). */
export function begun(replica: Replica, ...jobs: readonly JobId[]): void {
  for (const job of jobs) {
    const [{ query, count } = { query: 0, count: 0 }] = carryOut(replica, [
      { job, node: nodeName(1), boot: "boot1", query: undefined },
    ]);
    replica.must(work([completion(job, query, outputs(count))], []));
  }
}

/**
 * A cluster in virtual time: each slot takes the oldest query of the job that its node has run least, runs it for its
 * job's cost and reports. So do nodes (inference/interleaver.ts), in smaller pieces.
 */
export function simulate(
  replica: Replica,
  costs: ReadonlyMap<JobId, number>,
  options: { readonly nodes: readonly NodeCapacity[]; readonly untilMs: number },
): readonly { readonly job: JobId; readonly atMs: number }[] {
  const { nodes, untilMs } = options;
  const waiting = new Map(
    nodes.map(({ node }) => [node as string, [] as { job: JobId; query: number; count: number }[]]),
  );
  const running: { endMs: number; node: string; job: JobId; query: number; count: number }[] = [];
  const done: { job: JobId; atMs: number }[] = [];
  const ran = new Map<string, number>();
  const take = (node: string) => {
    const queries = waiting.get(node) ?? [];
    const runOf = (job: JobId): number => ran.get(`${node}/${job}`) ?? 0;
    const least = Math.min(...queries.map(({ job }) => runOf(job)));
    const at = queries.findIndex(({ job }) => runOf(job) === least);
    const [next] = at < 0 ? [] : queries.splice(at, 1);
    if (next !== undefined) ran.set(`${node}/${next.job}`, least + 1);
    return next;
  };
  const start = (nowMs: number) => {
    for (const a of carryOut(
      replica,
      plan(replica, nodes, (job) => costs.get(job)),
    ))
      waiting.get(a.node)?.push({ job: a.job as JobId, query: a.query, count: a.count });
    for (const { node, slots: size } of nodes)
      while (running.filter((r) => r.node === node).length < size) {
        const next = take(node);
        if (next === undefined) break;
        running.push({ ...next, node, endMs: nowMs + (costs.get(next.job) ?? 0) });
      }
    running.sort((a, b) => a.endMs - b.endMs);
  };
  start(0);
  for (
    let next = running.shift();
    next !== undefined && next.endMs <= untilMs;
    next = running.shift()
  ) {
    replica.at = Math.max(replica.at, next.endMs);
    const { job, query, count, endMs } = next;
    replica.must(work([{ ...completion(job, query, outputs(count)), attempt: Attempt(1) }], []));
    done.push({ job, atMs: endMs });
    start(endMs);
  }
  return done;
}
