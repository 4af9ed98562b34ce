/** Models as the API shows them: their rows, what stands for them, and who runs them. */
import type { ModelView } from "../../lib/api/cluster.ts";
import { type ModelReference, modelReferenceText } from "../../lib/model-reference.ts";
import type { ModelRecord } from "../../machine/commands.ts";
import type { Machine } from "../../machine/machine.ts";
import { findModel } from "../../machine/models.ts";
import { hasEnded } from "../../scheduler/rows.ts";

type State = Pick<Machine, "aliases" | "jobs" | "models" | "olderModels">;

/** Jobs and aliases are gone through once, however many models there are. */
export function modelViews(models: readonly ModelRecord[], machine: State): ModelView[] {
  const jobs = new Map<string, number>();
  for (const { model, status } of machine.jobs.values()) {
    const key = modelReferenceText(model);
    if (!hasEnded(status)) jobs.set(key, (jobs.get(key) ?? 0) + 1);
  }
  const aliases = new Map<ModelRecord, string[]>();
  for (const name of [...machine.aliases.keys()].toSorted()) {
    const model = findModel(machine, { name });
    if (model !== undefined) aliases.set(model, [...(aliases.get(model) ?? []), name]);
  }
  return models.map((model) => {
    const { name, version, manifest, file, addedAt, preload } = model;
    const stands = aliases.has(model) || machine.models.get(name) === model;
    return {
      name,
      version,
      manifest,
      file: { path: file.path, version: file.version, bytes: file.bytes },
      addedAtMs: addedAt,
      jobs: jobs.get(modelReferenceText(model)) ?? 0,
      preloaded: preload?.wanted ?? stands,
      aliases: aliases.get(model) ?? [],
    };
  });
}

/** How many jobs that have not ended run a model, any version of it unless one is named. */
export function unfinishedWith(
  { jobs }: Pick<Machine, "jobs">,
  { name, version }: ModelReference,
): number {
  return [...jobs.values()].filter(
    ({ model, status }) =>
      !hasEnded(status) && model.name === name && (version ?? model.version) === model.version,
  ).length;
}
