/**
 * J11: a retry is a job over exactly those inputs of one that has ended that ended in an error there or were never done, each
 * once, in their order and versions, with the very model unless another one was asked for (node/retry.ts).
 */
import type { ManifestInput } from "../../../src/scheduler/manifest.ts";
import { hasEnded } from "../../../src/scheduler/rows.ts";
import type { JobRecord } from "../../../src/scheduler/types.ts";

/** A job with its list, and those of its inputs, by number, that have classes. */
export interface Judged {
  readonly job: JobRecord;
  readonly inputs: readonly ManifestInput[];
  readonly good: ReadonlySet<number>;
}

/** @param modelVersion set when the retry is to have its job's own model */
export function checkRetry(
  { job, inputs }: Pick<Judged, "job" | "inputs">,
  of: Judged,
  modelVersion: number | undefined,
): void {
  const retry = `${job.id}, a retry of ${of.job.id},`;
  if (!hasEnded(of.job.status)) throw new Error(`J11: ${retry} begins before that has ended`);
  const wanted = of.inputs.filter((_, i) => !of.good.has(i));
  if (JSON.stringify(inputs) !== JSON.stringify(wanted))
    throw new Error(`J11: ${retry} is over ${said(inputs)}; without a result are ${said(wanted)}`);
  const { name, version } = of.job.model;
  if (modelVersion !== undefined && (job.model.name !== name || job.model.version !== version))
    throw new Error(`J11: ${retry} has another model`);
}

function said(inputs: readonly ManifestInput[]): string {
  return inputs.length === 0
    ? "nothing"
    : inputs.map(({ path, version }) => `${path}@${version}`).join(" ");
}
