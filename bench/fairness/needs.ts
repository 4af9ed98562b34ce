/** How many inputs the jobs of a run need, from their measured costs: a job that ends early would spoil its phase. */

export interface NeedPhase {
  readonly seconds: number;
  readonly batchSize: number;
  readonly jobs: readonly {
    /** A name of the job, the same in all phases. */
    readonly key: string;
    /** A slot's time for one input. */
    readonly inputMs: number;
    readonly weight: number;
  }[];
}

/** What came out faster than was foreseen, and what is handed out ahead. */
const margin = 1.6;

/** Inputs of the job that needs most, when all query rates per weight are equal. */
export function inputsNeeded(phases: readonly NeedPhase[], slots: number): number {
  const needs = new Map<string, number>();
  for (const { seconds, batchSize, jobs } of phases) {
    const roundMs = jobs.reduce((sum, { inputMs, weight }) => sum + inputMs * weight, 0);
    // Each job does `weight` inputs in a round, whatever the batch size is.
    const rounds = (seconds * 1000 * slots) / roundMs;
    for (const { key, weight } of jobs) {
      const inputs = rounds * weight * margin + 2 * slots * batchSize;
      needs.set(key, (needs.get(key) ?? 0) + inputs);
    }
  }
  return Math.ceil(Math.max(0, ...needs.values()));
}
