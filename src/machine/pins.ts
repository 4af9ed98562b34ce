/** Files as jobs and models hold on to them: by their chunks, whatever becomes of the path. */
import type { Pin } from "../lib/content.ts";
import { type Outcome, refuse } from "../lib/outcome.ts";
import type { Rows } from "../lib/rows.ts";
import type { ChunkHash, FileVersion } from "../lib/types.ts";
import type { JobRecord } from "../scheduler/types.ts";
import { versionId, versions } from "../sdfs/catalog/rows.ts";

export interface FileAt {
  readonly path: string;
  readonly version: FileVersion;
}

/** undefined when that version is not readable. */
export function pinOf(rows: Rows, { path, version }: FileAt): Pin | undefined {
  const record = versions.get(rows, versionId(path, version));
  if (record === undefined) return undefined;
  return { path, version, bytes: record.bytes, chunks: record.chunks };
}

export function noSuchFile(file: FileAt): Outcome {
  const name = `${file.path}@${file.version}`;
  return refuse("NOT_FOUND", { kind: "file", name, remedy: "'idunno sdfs ls' lists them" });
}

/** Which of these chunks a model or an unfinished job pins. */
export function pinnedAmong(
  hashes: ReadonlySet<ChunkHash>,
  models: Iterable<{ readonly file: Pin }>,
  unfinished: Iterable<Pick<JobRecord, "model" | "manifest">>,
): ReadonlySet<ChunkHash> {
  const found = new Set<ChunkHash>();
  const look = ({ chunks }: Pin): void => {
    for (const { hash } of chunks) if (hashes.has(hash)) found.add(hash);
  };
  for (const { file } of models) look(file);
  for (const { model, manifest } of unfinished) {
    look(model.file);
    look(manifest);
  }
  return found;
}
