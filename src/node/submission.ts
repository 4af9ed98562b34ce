/**
 * Submitting a job: the inputs are resolved to a fixed list at one catalog index, the list is made durable as a file
 * named by its content, and one command names both. The same request under the same key gives the same job.
 */
import type { SubmitJobBody } from "../lib/api/jobs.ts";
import { IDunnoError } from "../lib/errors.ts";
import type { Pin } from "../lib/content.ts";
import type { ModelManifest } from "../lib/model-manifest.ts";
import { fileOutcomes } from "../lib/outcome.ts";
import { rowsPerQuery } from "../lib/tensors.ts";
import type { JobId } from "../lib/types.ts";
import { JobId as jobId } from "../lib/types.ts";
import { contentDigest } from "./content.ts";
import { modelIn, modelNamed } from "./model-names.ts";
import type { Services } from "./services.ts";

/** Inputs per query when the user does not say: some 300 ms of a large network, 40 ms of a small one. */
const defaultBatchSize = 8;
/** Files named by a hash of what is in them, so that equal lists share one. */
const manifestFolder = "jobs/.manifests";

export async function submitJob(
  body: SubmitJobBody,
  { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  services: Services,
): Promise<JobId> {
  const { coordination, applier, machine, inputs } = services;
  await coordination.linearize(signal);
  // Before the names are resolved, so that collection past it cannot have taken any of them.
  const catalogIndex = applier.appliedIndex;
  const model = modelNamed(body.model);
  // Before the inputs, which may be many. Apply decides.
  const { manifest: network } = modelIn(machine, model);
  const resolved = await inputs.resolve(body.inputs);
  const manifest = await storeManifest(inputs.pieces(resolved), services, signal);
  const value = await coordination.decide(
    {
      kind: "submit-job",
      name: body.name ?? `${body.model} over ${body.inputs.join(" ").slice(0, 80)}`,
      model: model.name,
      manifest: { path: manifest.path, version: manifest.version },
      catalogIndex,
      totalInputs: resolved.length,
      batchSize: body.batchSize ?? usualBatchSize(network),
      weight: body.weight ?? 1,
      maxErrors: body.maxErrors,
      priority: body.priority,
      modelVersion: model.version,
    },
    { key, signal },
  );
  if (value.kind !== "job")
    throw new IDunnoError("INTERNAL", { message: "a submission did not answer with a job" });
  return jobId(value.job);
}

/** Less where each input gives much. */
function usualBatchSize({ outputs }: ModelManifest): number {
  return outputs === undefined
    ? defaultBatchSize
    : Math.min(defaultBatchSize, rowsPerQuery(outputs));
}

/** The list of inputs as a file; found again when an equal one is there already. */
export async function storeManifest(
  pieces: ReturnType<Services["inputs"]["pieces"]>,
  { files, coordination }: Services,
  signal: AbortSignal,
): Promise<Pick<Pin, "path" | "version">> {
  const uploaded = await files.upload("", pieces, signal);
  const path = `${manifestFolder}/${contentDigest(uploaded.chunks)}-${uploaded.bytes}`;
  try {
    const value = await coordination.decide(
      { kind: "commit-files", files: [{ ...uploaded, path, ifVersion: 0 }] },
      { key: undefined, signal },
    );
    await coordination.linearize(signal);
    return files.stat(path, fileOutcomes(value)[0]?.version);
  } catch (error) {
    // It exists: its name says what is in it.
    if (!(error instanceof IDunnoError && error.code === "CONFLICT")) throw error;
    await coordination.linearize(signal);
    return files.stat(path);
  }
}
