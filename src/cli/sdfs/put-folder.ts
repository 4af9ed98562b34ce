/**
 * `idunno sdfs put -r`: what SDFS has already is passed over, so that a put that was interrupted is gone on with by
 * giving it again. Small files travel in groups, of which each becomes visible as a whole.
 */
import { bulkLimits } from "../../lib/api/bulk.ts";
import type { FileView } from "../../lib/api/files.ts";
import { humanBytes, plural } from "../format.ts";
import type { Column } from "../output.ts";
import { bar } from "../progress.ts";
import type { Session } from "../session.ts";
import { type LocalFile, localContent, localSource } from "./local-files.ts";
import { inParallel } from "./parallel.ts";
import { unchangedFiles } from "./unchanged.ts";

/** Larger files gain nothing from company: their bytes cost more than a request and a commit. */
const smallBytes = 1024 * 1024;
/** Of a group: what a broken connection costs to send again, and what is visible as progress. */
const groupBytes = 8 * 1024 * 1024;
/** Well under the limit: applying a group holds up every node for as long. */
const groupFiles = 256;
/** One is read, one on its way and one being committed; more would only wait for the same disks. */
const groupsAtOnce = 3;

/** A file as it was put, or as it was there. */
export type PutView = FileView & { readonly state: "stored" | "unchanged" };

export const stateColumn: Column<PutView> = { name: "state", value: ({ state }) => state };

/** @returns in the order of the files */
export async function putFolder(
  session: Session,
  files: readonly LocalFile[],
  { force }: { readonly force: boolean },
): Promise<PutView[]> {
  const { client, signal } = session;
  await session.learnNodes();
  const known = force ? new Map<string, FileView>() : await unchangedFiles(files, client, signal);
  const views = new Map<string, PutView>();
  for (const [path, view] of known) views.set(path, { ...view, state: "unchanged" });
  const changed = files.filter(({ path }) => !known.has(path));
  const totalBytes = changed.reduce((sum, { bytes }) => sum + bytes, 0);
  using progress = session.progress();
  let doneBytes = 0;
  const put = async (group: readonly LocalFile[], groupSignal: AbortSignal): Promise<void> => {
    for (const view of await putGroup(session, group, groupSignal)) {
      views.set(view.path, { ...view, state: "stored" });
      doneBytes += view.bytes;
    }
    progress.show(
      `${bar(doneBytes, totalBytes)} ${views.size}/${plural(files.length, "file")} ${humanBytes(doneBytes)}`,
    );
  };
  const told = (): string => {
    const stored = `${views.size - known.size} of ${plural(files.length, "file")} were put`;
    return known.size === 0 ? stored : `${stored}, ${known.size} unchanged`;
  };
  try {
    await inParallel(groupsOf(changed), signal, put, groupsAtOnce);
  } catch (error) {
    progress.clear();
    session.note(`${told()}: run it again to go on`);
    throw error;
  }
  progress.clear();
  session.note(told());
  return files.flatMap(({ path }) => views.get(path) ?? []);
}

async function putGroup(
  { client }: Session,
  group: readonly LocalFile[],
  signal: AbortSignal,
): Promise<FileView[]> {
  const [first, ...others] = group;
  if (first !== undefined && others.length === 0 && first.bytes > smallBytes) {
    const source = { kind: "reopen", open: () => localSource(first.local) } as const;
    return [await client.putFile(first.path, source, { signal })];
  }
  return client.putFiles(
    group.map(({ local, path, bytes }) => ({
      path,
      bytes,
      read: async () => localContent(local, bulkLimits.fileBytes),
    })),
    { signal },
  );
}

/** In their order; each large file is a group by itself. */
export function groupsOf(files: readonly LocalFile[]): LocalFile[][] {
  const groups: LocalFile[][] = [];
  let group: LocalFile[] = [];
  let bytes = 0;
  const end = (): void => {
    if (group.length > 0) groups.push(group);
    group = [];
    bytes = 0;
  };
  for (const file of files) {
    if (file.bytes > smallBytes) {
      groups.push([file]);
      continue;
    }
    if (group.length === groupFiles || bytes + file.bytes > groupBytes) end();
    group.push(file);
    bytes += file.bytes;
  }
  end();
  return groups;
}
