/**
 * Taking files out of the listing, and back into it. A removed version is not gone: unfinished jobs may have pinned its
 * chunks, and its owner may want it back, so its references stay with a `removed` row until collection finds that nobody
 * can need them (collection.ts).
 */
import { okFiles, type Outcome, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import type { FileVersion, LogTime } from "../../lib/types.ts";
import { Ledger } from "./quotas.ts";
import { files, removed, removedId, versionId, versions } from "./rows.ts";
import { type FileRecord, type RemovedRecord, type VersionRecord, versionsLimit } from "./types.ts";

/**
 * Moves a readable version to the removed ones. `n` tells removals of one command apart.
 * @param what.restorableFrom log time of a removal that may be undone; undefined: nobody will want it back
 */
export function removeVersion(
  rows: Rows,
  what: {
    readonly path: string;
    readonly version: FileVersion;
    readonly index: number;
    readonly n: number;
    readonly restorableFrom?: LogTime | undefined;
  },
): void {
  const { path, version, index, n, restorableFrom } = what;
  const id = versionId(path, version);
  const record = versions.get(rows, id);
  if (record === undefined) return; // unreachable: a readable version has its row (C3)
  versions.delete(rows, id);
  const row: RemovedRecord = { path, version, chunks: record.chunks };
  if (restorableFrom === undefined) removed.put(rows, removedId(index, n), row);
  else {
    const { committedAt, index: committedIn, copies } = record;
    const restore = { removedAt: restorableFrom, committedAt, index: committedIn, copies };
    removed.put(rows, removedId(index, n), { ...row, restore });
  }
}

/**
 * Removes all readable versions of a path. Its number of versions stays, so that none is ever given twice.
 * @param purge it shall not be possible to restore it
 */
export function removeFile(
  rows: Rows,
  { path, purge }: { readonly path: string; readonly purge: boolean },
  { index, now }: Stamp,
): Outcome {
  const file = files.get(rows, path);
  const newest = file?.versions.at(-1);
  if (file === undefined || newest === undefined)
    return refuse("NOT_FOUND", { kind: "file", name: path, remedy: "'idunno sdfs ls' lists them" });
  const copies = versions.get(rows, versionId(path, newest))?.copies ?? 0; // unreachable: as above
  const restorableFrom = purge ? undefined : now;
  for (const [n, version] of file.versions.entries())
    removeVersion(rows, { path, version, index, n, restorableFrom });
  const gone: FileRecord = { ...file, versions: [], bytes: 0, keptBytes: 0, modifiedAt: now };
  new Ledger(rows).put(file, purge ? gone : { ...gone, removal: index });
  return okFiles([{ version: newest, copies }]);
}

/** Makes the versions of a removed file readable again, those that are still there. */
export function restoreFile(rows: Rows, path: string, { now }: Stamp): Outcome {
  const file = files.get(rows, path);
  if (file !== undefined && file.versions.length > 0)
    return refuse("CONFLICT", { what: path, why: "it is there; remove or move it first" });
  const found = file?.removal === undefined ? [] : takeRemoved(rows, file.removal);
  const newest = found.at(-1);
  if (file === undefined || newest === undefined)
    return refuse("NOT_FOUND", {
      kind: "removed file",
      name: path,
      remedy:
        "it was never there, or removed for good, or too long ago ('idunno setting get sdfs-undelete-s')",
    });
  for (const record of found) versions.put(rows, versionId(path, record.version), record);
  const { removal: _, ...rest } = file;
  const readable = found.map(({ version }) => version);
  const ledger = new Ledger(rows);
  ledger.put(file, {
    ...rest,
    versions: readable,
    bytes: newest.bytes,
    modifiedAt: now,
    keptBytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
  });
  return ledger.exceeded() ?? okFiles([newest]);
}

/** The versions that one removal took, oldest first, which are no removed ones from now on. */
function takeRemoved(rows: Rows, index: number): VersionRecord[] {
  const found: VersionRecord[] = [];
  for (let n = 0; n < versionsLimit; n += 1) {
    const id = removedId(index, n);
    const row = removed.get(rows, id);
    if (row?.restore === undefined) continue;
    removed.delete(rows, id);
    const { path, version, chunks, restore } = row;
    const { committedAt, index: committedIn, copies } = restore;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    found.push({ path, version, bytes, chunks, committedAt, index: committedIn, copies });
  }
  return found;
}
