/** What a command hands out, as the checks of fairness look at it. */
import type { Operation } from "../../../src/machine/commands.ts";
import type { Machine } from "../../../src/machine/machine.ts";
import type { JobId, NodeId } from "../../../src/lib/types.ts";

/** Queries of a command, in its order, and how things stood before it. */
export interface HandedOut {
  readonly queries: readonly {
    readonly job: JobId;
    readonly node: NodeId;
    /** For the first time: not one that lost its node, or is late. */
    readonly isNew: boolean;
  }[];
  /** Queries of a job that a node had in hand. */
  readonly inHand: (node: NodeId, job: JobId) => number;
  readonly slots: (node: NodeId) => number;
}

/** What an operation hands out, beside what nodes have in hand before it. */
export function handedOut(operation: Operation, machine: Machine): HandedOut | undefined {
  if (operation.kind !== "work" || operation.assign.length === 0) return undefined;
  const counts = new Map<string, number>();
  // One command frees places and fills them.
  const done = new Set(
    operation.complete
      .filter(({ failed }) => failed === undefined)
      .map(({ job, query }) => `${job}/${query}`),
  );
  for (const id of machine.jobs.keys())
    for (const { query, attempts, suspect } of machine.openQueries(id))
      for (const { node, boot } of attempts)
        // Suspects run beside the slots.
        if (
          suspect !== true &&
          !done.has(`${id}/${query}`) &&
          machine.members.get(node)?.boot === boot
        )
          counts.set(`${node}/${id}`, (counts.get(`${node}/${id}`) ?? 0) + 1);
  return {
    queries: operation.assign
      .filter(({ node, boot }) => machine.members.get(node)?.boot === boot)
      .map(({ job, node, query }) => ({ job, node, isNew: query === undefined })),
    inHand: (node, job) => counts.get(`${node}/${job}`) ?? 0,
    slots: (node) => machine.members.get(node)?.slots ?? 0,
  };
}
