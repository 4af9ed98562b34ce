/** Puts together what the pages of `/v1/usage` say of folders, in the memory of one path: pages may cut a folder in two. */
import type { FolderUsage, FsckView } from "../lib/api/files.ts";

/**
 * Folders with all that lies in them, each after those in it, the prefix itself last, as `du` has them.
 * @param parts sums by folder in the order of paths; those of one folder may come several times
 */
export async function* nested(
  parts: AsyncIterable<FolderUsage>,
  prefix: string,
): AsyncGenerator<FolderUsage> {
  // The folder that parts come of now, above it those that it lies in, the prefix first.
  const above: FolderUsage[] = [];
  let now = empty(prefix);
  for await (const part of parts) {
    while (!part.path.startsWith(now.path) && above.length > 0) {
      yield now;
      now = plus(above.pop() ?? empty(prefix), now); // unreachable: it was just seen not to be empty
    }
    for (const folder of foldersBetween(now.path, part.path)) {
      above.push(now);
      now = empty(folder);
    }
    now = plus(now, part);
  }
  for (const folder of above.toReversed()) {
    yield now;
    now = plus(folder, now);
  }
  yield now;
}

/** Two parts of a check in one. */
export function added(
  to: Omit<FsckView, "next">,
  { chunks, bytes, whole, lacking, unavailable, lost, excess, nodes }: Omit<FsckView, "next">,
): Omit<FsckView, "next"> {
  return {
    nodes,
    chunks: to.chunks + chunks,
    bytes: to.bytes + bytes,
    whole: to.whole + whole,
    lacking: to.lacking + lacking,
    unavailable: to.unavailable + unavailable,
    lost: to.lost + lost,
    excess: to.excess + excess,
  };
}

/** `a/b/`, `a/b/c/` from `a/` to `a/b/c/`. */
function* foldersBetween(from: string, to: string): Generator<string> {
  for (let end = to.indexOf("/", from.length); end >= 0; end = to.indexOf("/", end + 1))
    yield to.slice(0, end + 1);
}

function empty(path: string): FolderUsage {
  return { path, files: 0, bytes: 0, keptBytes: 0 };
}

function plus(to: FolderUsage, { files, bytes, keptBytes }: FolderUsage): FolderUsage {
  return {
    path: to.path,
    files: to.files + files,
    bytes: to.bytes + bytes,
    keptBytes: to.keptBytes + keptBytes,
  };
}
