/**
 * How long a query will take: an exponentially weighted mean of milliseconds per input, by job and node, or by job
 * where that node has not answered yet. The leader's own knowledge, not replicated: a new leader learns it anew.
 */
import type { JobId, NodeId } from "../lib/types.ts";

/** Share of the newest query in the mean: the last ten or so decide. A job's cost is steady; a machine's load is not. */
const newestShare = 0.2;

interface Costs {
  anywhere: number;
  readonly byNode: Map<NodeId, number>;
}

export class Predictor {
  readonly #jobs = new Map<JobId, Costs>();

  /** A query of `inputs` inputs took a node `elapsedMs`. */
  observe(query: {
    readonly job: JobId;
    readonly node: NodeId;
    readonly inputs: number;
    readonly elapsedMs: number;
  }): void {
    const { job, node, inputs, elapsedMs } = query;
    if (inputs <= 0 || !(elapsedMs >= 0)) return;
    const cost = elapsedMs / inputs;
    const known = this.#jobs.get(job);
    if (known === undefined) {
      this.#jobs.set(job, { anywhere: cost, byNode: new Map([[node, cost]]) });
      return;
    }
    known.anywhere = blend(known.anywhere, cost);
    known.byNode.set(node, blend(known.byNode.get(node) ?? cost, cost));
  }

  /** Milliseconds that `inputs` inputs will take there; undefined when nothing is known of the job. */
  predictMs(job: JobId, node: NodeId, inputs: number): number | undefined {
    const known = this.#jobs.get(job);
    return known === undefined ? undefined : (known.byNode.get(node) ?? known.anywhere) * inputs;
  }

  /** Those that have ended, however they did. */
  forgetJobs(hasEnded: (job: JobId) => boolean): void {
    for (const job of this.#jobs.keys()) if (hasEnded(job)) this.#jobs.delete(job);
  }
}

function blend(mean: number, newest: number): number {
  return mean + newestShare * (newest - mean);
}
