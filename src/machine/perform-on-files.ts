/**
 * The operations of the file catalog, and what it has to know of the rest of the state: how many copies the members of
 * the moment require, and what jobs and models still need.
 */
import { type Outcome, done, refuse } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import type { StoreId } from "../lib/types.ts";
import { unfinishedJobs } from "../scheduler/rows.ts";
import {
  collectChunks,
  collectVersions,
  dropChunks,
  forgetDrops,
  versionsPerCollect,
} from "../sdfs/catalog/collection.ts";
import { type CommitContext, commitFiles } from "../sdfs/catalog/commit.ts";
import { moveFiles } from "../sdfs/catalog/move.ts";
import { countQuota, setQuota } from "../sdfs/catalog/quotas.ts";
import { removeFile, restoreFile } from "../sdfs/catalog/removal.ts";
import { loseChunks, placeChunks, releaseChunks } from "../sdfs/catalog/replicas.ts";
import { weighStore } from "../sdfs/catalog/room.ts";
import { stores } from "../sdfs/catalog/rows.ts";
import type { CollectVersions, ForgetDrops, Operation } from "./commands.ts";
import { requiredCopies } from "./members.ts";
import { pinnedAmong } from "./pins.ts";
import { restorableMs, versionsKeptNow } from "./settings.ts";
import { members, meta, models, olderModels, takesMore } from "./tables.ts";

type FileOperation = Extract<
  Operation,
  {
    kind:
      | "commit-files"
      | "remove-file"
      | "restore-file"
      | "move-files"
      | "set-quota"
      | "count-quota"
      | "place-chunks"
      | "lose-chunks"
      | "release-chunks"
      | "weigh-store"
      | "collect-versions"
      | "collect-chunks"
      | "drop-chunks"
      | "forget-drops";
  }
>;

export function performOnFiles(rows: Rows, operation: FileOperation, stamp: Stamp): Outcome {
  switch (operation.kind) {
    case "commit-files":
      return commitFiles(rows, operation.files, commitContext(rows, stamp));
    case "remove-file":
      return removeFile(rows, { path: operation.path, purge: operation.purge === true }, stamp);
    case "restore-file":
      return restoreFile(rows, operation.path, stamp);
    case "move-files":
      return moveFiles(rows, operation.moves, stamp);
    case "set-quota":
      return setQuota(rows, operation, stamp);
    case "count-quota":
      return countQuota(rows, operation);
    case "place-chunks":
      return placeChunks(rows, operation, { dropFloor: dropFloor(rows) });
    case "lose-chunks":
      return loseChunks(rows, operation, stamp);
    case "release-chunks":
      return releaseChunks(rows, operation, (store) => upNodeOf(rows, store));
    case "weigh-store":
      return weighStore(rows, operation);
    case "collect-versions":
      return collect(rows, operation, stamp);
    case "collect-chunks":
      return collectChunks(rows, operation.chunks);
    case "drop-chunks":
      return dropChunks(rows, operation, stamp);
    case "forget-drops":
      return forget(rows, operation, stamp);
    default:
      return unknownKind(operation);
  }
}

/** A newer node's command: the feature level should have kept it out of the log. */
function unknownKind(operation: never): Outcome {
  const { kind } = operation as { readonly kind: unknown };
  return refuse("INVALID", {
    what: `a command of kind ${String(kind)}`,
    why: "this version does not know it",
    remedy: "upgrade every node first",
  });
}

export function commitContext(rows: Rows, stamp: Stamp): CommitContext {
  return {
    ...stamp,
    requiredCopies: requiredCopies(rows, stamp.now),
    dropFloor: dropFloor(rows),
    versionsKept: versionsKeptNow(rows),
    enforcesQuotas: true,
  };
}

function dropFloor(rows: Rows): number {
  return meta.table.get(rows, meta.dropFloor) ?? 0;
}

/** The node of a store on which copies count now. */
function upNodeOf(rows: Rows, store: StoreId): string | undefined {
  const record = stores.get(rows, store);
  if (record?.state !== "active") return undefined;
  const member = members.get(rows, record.node);
  // unreachable: an active store has its member, and members are never forgotten
  return member !== undefined && takesMore(member) ? record.node : undefined;
}

function collect(rows: Rows, { ids }: CollectVersions, stamp: Stamp): Outcome {
  if (ids.length > versionsPerCollect)
    return refuse("TOO_LARGE", {
      what: "the list of versions",
      size: ids.length,
      limit: versionsPerCollect,
    });
  const jobs = unfinishedJobs(rows);
  const all = [...models.list(rows), ...olderModels.list(rows)].map(([, model]) => model);
  const floor = collectVersions(rows, ids, {
    ...stamp,
    restorableMs: restorableMs(rows),
    oldestResolution: jobs.reduce((least, job) => Math.min(least, job.catalogIndex), Infinity),
    pinned: (hashes) => pinnedAmong(hashes, all, jobs),
  });
  const before = meta.table.get(rows, meta.collectionFloor) ?? 0;
  if (floor > before) meta.table.put(rows, meta.collectionFloor, floor);
  return done;
}

function forget(rows: Rows, { drops, floor }: ForgetDrops, { index }: Stamp): Outcome {
  if (floor >= index)
    return refuse("INVALID", {
      what: "the floor of drops",
      why: `${floor} lies ahead of the log`,
      remedy: "nothing was changed",
    });
  const outcome = forgetDrops(rows, drops, floor);
  if (outcome.kind === "ok" && floor > dropFloor(rows)) meta.table.put(rows, meta.dropFloor, floor);
  return outcome;
}
