/**
 * Which part of the state carries out which operation, and what joins them: jobs pin files, finishing a job makes a file
 * visible, puts need as many copies as there are members.
 */
import type { Pin } from "../lib/content.ts";
import { fileOutcomes, ok, type Outcome, refuse } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import { assert, FileVersion } from "../lib/types.ts";
import {
  checkFinish,
  checkRetry,
  finishJob,
  pruneResults,
  setJob,
  steerJob,
  submitJob,
} from "../scheduler/lifecycle.ts";
import { readJob } from "../scheduler/rows.ts";
import type { FinishJob, ModelPin, SubmitJob } from "../scheduler/types.ts";
import { applyWork } from "../scheduler/work.ts";
import { commitFiles } from "../sdfs/catalog/commit.ts";
import { versionId, versions } from "../sdfs/catalog/rows.ts";
import { orderedOperation } from "./codec.ts";
import type { AddModel, Operation } from "./commands.ts";
import { setSetting } from "./settings.ts";
import { commitContext, performOnFiles } from "./perform-on-files.ts";
import { markMember, registerMember, removeMember } from "./members.ts";
import { isWorker, mayWork, members, meta, models } from "./tables.ts";

/** Models: each is in every node's memory with its labels. */
const modelsLimit = 1_000;

/** Carries out one operation. What it wrote counts only when the outcome is ok. */
export function perform(rows: Rows, operation: Operation, stamp: Stamp): Outcome {
  switch (operation.kind) {
    case "register-member":
      return registerMember(rows, operation, stamp);
    case "mark-member":
      return markMember(rows, operation, stamp);
    case "remove-member":
      return removeMember(rows, operation);
    case "add-model":
      return addModel(rows, operation, stamp);
    case "submit-job":
      return submit(rows, operation, stamp);
    case "set-job":
      return setJob(rows, operation);
    case "steer-job":
      return steerJob(rows, operation, stamp);
    case "work":
      return applyWork(rows, operation, stamp, {
        mayWork: (node, boot) => mayWork(members.get(rows, node), boot),
        all: () => members.list(rows).flatMap(([, each]) => (isWorker(each) ? [each.node] : [])),
      });
    case "finish-job":
      return finish(rows, operation, stamp);
    case "prune-results":
      return pruneResults(rows, operation);
    case "set-setting":
      return setSetting(rows, operation);
    default:
      return performOnFiles(rows, operation, stamp);
  }
}

function addModel(rows: Rows, command: AddModel, { now }: Stamp): Outcome {
  const { manifest, file } = orderedOperation(command) as AddModel;
  const pin = pinOf(rows, file);
  if (pin === undefined) return noSuchFile(file);
  const { name } = manifest;
  const known = models.get(rows, name);
  if (known === undefined && models.list(rows).length >= modelsLimit)
    return refuse("BUSY", { what: "the model list", limit: modelsLimit });
  // Preprocessing and labels decide results as much as weights do: other ones make another version.
  if (known !== undefined && JSON.stringify(known.manifest) === JSON.stringify(manifest))
    return ok({ kind: "model", name, version: known.version });
  const version = (known?.version ?? 0) + 1;
  models.put(rows, name, { name, version, manifest, file: pin, addedAt: now });
  return ok({ kind: "model", name, version });
}

function submit(rows: Rows, command: SubmitJob, stamp: Stamp): Outcome {
  const { retryOf, modelVersion } = command;
  const wrong = retryOf === undefined ? undefined : checkRetry(rows, retryOf);
  if (wrong !== undefined) return wrong;
  const model = modelOf(rows, command);
  if (model === undefined)
    return refuse("NOT_FOUND", {
      kind: "model",
      name: modelVersion === undefined ? command.model : `${command.model}@${modelVersion}`,
      remedy: "'idunno model ls' lists them",
    });
  const floor = meta.table.get(rows, meta.collectionFloor) ?? 0;
  if (command.catalogIndex < floor)
    return refuse("STALE_CATALOG", { index: command.catalogIndex, floor });
  const manifest = pinOf(rows, command.manifest);
  if (manifest === undefined) return noSuchFile(command.manifest);
  return submitJob(rows, command, stamp, { model, manifest });
}

/** What the name stands for now; of a retry the model of its job, as long as its file cannot have been collected. */
function modelOf(rows: Rows, { model, retryOf, modelVersion }: SubmitJob): ModelPin | undefined {
  const present = models.get(rows, model);
  if (modelVersion === undefined || present?.version === modelVersion) {
    if (present === undefined) return undefined;
    const { name, version, manifest, file } = present;
    return { name, version, manifest, file };
  }
  const pinned = retryOf === undefined ? undefined : readJob(rows, retryOf)?.model;
  if (pinned?.name !== model || pinned.version !== modelVersion) return undefined;
  return pinOf(rows, pinned.file) === undefined ? undefined : pinned;
}

/** The results become visible and the job done in one step, or neither. */
function finish(rows: Rows, { job, results }: FinishJob, stamp: Stamp): Outcome {
  const wrong = checkFinish(rows, job);
  if (wrong !== undefined) return wrong;
  // The work is done: a quota must not keep it from being seen.
  const context = { ...commitContext(rows, stamp), enforcesQuotas: false };
  const committed = commitFiles(rows, [results], context);
  if (committed.kind === "refused") return committed;
  const [file] = fileOutcomes(committed.value);
  assert(file !== undefined, "the commit of a file names its version");
  const pin = pinOf(rows, { path: results.path, version: FileVersion(file.version) });
  assert(pin !== undefined, "what was committed can be pinned");
  return finishJob(rows, job, pin, stamp);
}

function pinOf(
  rows: Rows,
  { path, version }: { readonly path: string; readonly version: FileVersion },
): Pin | undefined {
  const record = versions.get(rows, versionId(path, version));
  if (record === undefined) return undefined;
  return { path, version, bytes: record.bytes, chunks: record.chunks };
}

function noSuchFile(file: { readonly path: string; readonly version: number }): Outcome {
  const name = `${file.path}@${file.version}`;
  return refuse("NOT_FOUND", { kind: "file", name, remedy: "'idunno sdfs ls' lists them" });
}
