/**
 * Which part of the state carries out which operation, and what joins them: jobs pin files, finishing a job makes a file
 * visible, puts need as many copies as there are members.
 */
import type { Pin } from "../lib/content.ts";
import type { ModelReference } from "../lib/model-reference.ts";
import { fileOutcomes, type Outcome, refuse } from "../lib/outcome.ts";
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
import type { FinishJob, ModelPin, SubmitJob, Work } from "../scheduler/types.ts";
import { applyWork } from "../scheduler/work.ts";
import { type CommitContext, commitFiles } from "../sdfs/catalog/commit.ts";
import type { Operation } from "./commands.ts";
import {
  absence,
  addModel,
  findModel,
  preloadModel,
  removeModel,
  setAlias,
  viewsOf,
} from "./models.ts";
import { noSuchFile, pinOf } from "./pins.ts";
import { setSetting } from "./settings.ts";
import { commitContext, performOnFiles } from "./perform-on-files.ts";
import { markMember, registerMember, removeMember } from "./members.ts";
import { isWorker, mayWork, members, meta } from "./tables.ts";

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
    case "set-alias":
      return setAlias(rows, operation);
    case "remove-model":
      return removeModel(rows, operation, stamp);
    case "preload-model":
      return preloadModel(rows, operation, stamp);
    case "submit-job":
      return submit(rows, operation, stamp);
    case "set-job":
      return setJob(rows, operation);
    case "steer-job":
      return steerJob(rows, operation, stamp);
    case "work":
      return work(rows, operation, stamp);
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

function submit(rows: Rows, command: SubmitJob, stamp: Stamp): Outcome {
  const { retryOf } = command;
  const wrong = retryOf === undefined ? undefined : checkRetry(rows, retryOf);
  if (wrong !== undefined) return wrong;
  const model = modelOf(rows, command);
  if (model === undefined) return refuse("NOT_FOUND", absence(viewsOf(rows), named(command)));
  const floor = meta.table.get(rows, meta.collectionFloor) ?? 0;
  if (command.catalogIndex < floor)
    return refuse("STALE_CATALOG", { index: command.catalogIndex, floor });
  const manifest = pinOf(rows, command.manifest);
  if (manifest === undefined) return noSuchFile(command.manifest);
  return submitJob(rows, command, stamp, { model, manifest });
}

function named({ model, modelVersion }: SubmitJob): ModelReference {
  return { name: model, version: modelVersion };
}

/** What is named; of a retry also the model of its job, as long as its file cannot have been collected. */
function modelOf(rows: Rows, command: SubmitJob): ModelPin | undefined {
  const found = findModel(viewsOf(rows), named(command));
  if (found !== undefined) {
    const { name, version, manifest, file } = found;
    return { name, version, manifest, file };
  }
  const { model, modelVersion, retryOf } = command;
  const pinned = retryOf === undefined ? undefined : readJob(rows, retryOf)?.model;
  if (pinned?.name !== model || pinned.version !== modelVersion) return undefined;
  return isSame(pinOf(rows, pinned.file), pinned.file) ? pinned : undefined;
}

/** A path that was removed for good begins at version 1 again: its content tells. */
function isSame(found: Pin | undefined, { chunks }: Pin): boolean {
  return (
    found?.chunks.length === chunks.length &&
    found.chunks.every(({ hash }, i) => hash === chunks[i]?.hash)
  );
}

function work(rows: Rows, command: Work, stamp: Stamp): Outcome {
  // Most commands have no file; then nobody need look at the members.
  let context: CommitContext | undefined;
  return applyWork(rows, command, {
    stamp,
    workers: {
      mayWork: (node, boot) => mayWork(members.get(rows, node), boot),
      all: () => members.list(rows).flatMap(([, each]) => (isWorker(each) ? [each.node] : [])),
    },
    publish: (file) => {
      // The work is done: a quota must not keep it from being seen.
      context ??= { ...commitContext(rows, stamp), enforcesQuotas: false };
      return commitFiles(rows, [file], context).kind === "ok";
    },
  });
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
