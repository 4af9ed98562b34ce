/** Which local files SDFS has already: the newest version under their path has the same bytes. */
import { lstat } from "node:fs/promises";
import { bulkLimits } from "../../lib/api/bulk.ts";
import type { FileView } from "../../lib/api/files.ts";
import type { IDunnoClient } from "../../client/client.ts";
import { ContentHasher } from "../../node/content.ts";
import { type LocalFile, localSource } from "./local-files.ts";

/** Asks for many at once, and reads only those files whose size is right. @returns by path */
export async function unchangedFiles(
  files: readonly LocalFile[],
  client: IDunnoClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FileView>> {
  const found = new Map<string, FileView>();
  for (let at = 0; at < files.length; at += bulkLimits.paths) {
    const some = files.slice(at, at + bulkLimits.paths);
    const views = await client.statMany(
      some.map(({ path }) => path),
      { signal },
    );
    const known = new Map(views.map((view) => [view.path, view]));
    for (const { local, path, bytes } of some) {
      const view = known.get(path);
      if (view?.bytes !== bytes) continue;
      signal.throwIfAborted();
      if ((await localDigest(local)) === view.content) found.set(path, view);
    }
  }
  return found;
}

/** Of files to be restored, those whose target has the newest version's bytes already. @returns their paths */
export async function restored(
  files: readonly { readonly path: string; readonly bytes: number; readonly target: string }[],
  client: IDunnoClient,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const likely: LocalFile[] = [];
  for (const { path, bytes, target } of files) {
    const stats = await lstat(target).catch(() => undefined); // what cannot be looked at is written, or says why not
    if (stats?.isFile() === true && stats.size === bytes)
      likely.push({ local: target, path, bytes });
  }
  return new Set((await unchangedFiles(likely, client, signal)).keys());
}

/** The content digest of a local file. @throws INVALID when it cannot be read */
export async function localDigest(local: string): Promise<string> {
  const hasher = new ContentHasher();
  for await (const piece of localSource(local)) hasher.update(piece);
  return hasher.digest();
}
