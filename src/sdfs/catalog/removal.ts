/**
 * Taking files out of the listing. A removed version is not gone: unfinished jobs may have pinned its chunks, so its
 * references stay with a `removed` row until collection finds that nobody can need them.
 */
import { type Outcome, ok, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import type { FileVersion } from "../../lib/types.ts";
import { files, removed, removedId, versionId, versions } from "./rows.ts";

/** Moves a readable version to the removed ones. `n` tells removals of one command apart. */
export function removeVersion(
  rows: Rows,
  what: {
    readonly path: string;
    readonly version: FileVersion;
    readonly index: number;
    readonly n: number;
  },
): void {
  const { path, version, index, n } = what;
  const id = versionId(path, version);
  const record = versions.get(rows, id);
  if (record === undefined) return; // unreachable: a readable version has its row (C3)
  versions.delete(rows, id);
  removed.put(rows, removedId(index, n), { path, version, chunks: record.chunks });
}

/** Removes all readable versions of a path. Its number of versions stays, so that none is ever given twice. */
export function removeFile(rows: Rows, path: string, { index, now }: Stamp): Outcome {
  const file = files.get(rows, path);
  const newest = file?.versions.at(-1);
  if (file === undefined || newest === undefined)
    return refuse("NOT_FOUND", { kind: "file", name: path, remedy: "'idunno sdfs ls' lists them" });
  const copies = versions.get(rows, versionId(path, newest))?.copies ?? 0; // unreachable: as above
  for (const [n, version] of file.versions.entries())
    removeVersion(rows, { path, version, index, n });
  files.put(rows, path, { ...file, versions: [], bytes: 0, modifiedAt: now });
  return ok({ kind: "files", files: [{ path, version: newest, copies }] });
}
