/** How much lies under a prefix, a page of the catalog at a time: constant memory, however many files there are. */
import type { FolderUsage, UsageView } from "../lib/api/files.ts";
import type { FileRecord, VersionRecord } from "../sdfs/catalog/types.ts";
import { versionId } from "../sdfs/catalog/rows.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Rows read for a page: some 100 ms of work, in between which the loop turns. */
const scannedRows = 10_000;

/** Sums by folder of the files after `after`, as far as a page goes. */
export async function usagePage(
  state: StateStore,
  query: { readonly prefix: string; readonly after: string; readonly depth: number },
): Promise<UsageView> {
  const { prefix, after, depth } = query;
  const folders = new Map<string, FolderUsage>();
  let scanned = 0;
  let last = "";
  for await (const [, row] of state.rows(`file/${prefix}`, after === "" ? "" : `file/${after}`)) {
    const file = row as FileRecord;
    if (scanned >= scannedRows) return { folders: [...folders.values()], next: last };
    last = file.path;
    // What an older version wrote costs reading a row for each version.
    scanned += file.keptBytes === undefined ? 1 + file.versions.length : 1;
    if (file.versions.length === 0) continue;
    const path = folderOf(file.path, prefix, depth);
    const sum = folders.get(path) ?? { path, files: 0, bytes: 0, keptBytes: 0 };
    sum.files += 1;
    sum.bytes += file.bytes;
    sum.keptBytes += file.keptBytes ?? keptBytesOf(state, file);
    folders.set(path, sum);
  }
  return { folders: [...folders.values()] };
}

/** The folder of a file that is at most `depth` folders under the prefix. */
function folderOf(path: string, prefix: string, depth: number): string {
  let end = prefix.length;
  for (let level = 0; level < depth; level += 1) {
    const slash = path.indexOf("/", end);
    if (slash < 0) break;
    end = slash + 1;
  }
  return path.slice(0, end);
}

function keptBytesOf(state: StateStore, { path, versions }: FileRecord): number {
  return versions.reduce((sum, version) => {
    const record = state.get(`version/${versionId(path, version)}`) as VersionRecord | undefined;
    return sum + (record?.bytes ?? 0); // unless it was outnumbered since the rows were listed
  }, 0);
}
