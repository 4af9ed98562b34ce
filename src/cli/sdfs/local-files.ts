/** Files of this machine as sources of a put: what may be read, in which order, and under which SDFS name. */
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";

/** Bytes of one read: large enough that the cost is in the bytes and not in the calls. */
const readBytes = 1024 * 1024;

export interface LocalFile {
  readonly local: string;
  /** Where it goes in SDFS. */
  readonly path: string;
  readonly bytes: number;
}

/** The content of a local file, from its start. @throws INVALID on reading, when that fails */
export async function* localSource(path: string): AsyncGenerator<Uint8Array> {
  try {
    // What was a file when the folder was walked may have become a link.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    for await (const piece of handle.createReadStream({ highWaterMark: readBytes }))
      yield piece as Uint8Array;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** The whole content of a small local file. @throws INVALID when it cannot be read, or has more than `limit` bytes by now */
export async function localContent(path: string, limit: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of localSource(path)) {
    bytes += piece.length;
    if (bytes > limit) throw unreadable(path, `it has grown over ${limit} bytes`);
    pieces.push(piece);
  }
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

/** Does local work; its failure names the path. @throws INVALID */
export async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): IDunnoError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new IDunnoError(
    "INVALID",
    { what: path, why, remedy: "check the path and its permissions" },
    { cause },
  );
}

/**
 * The files that a put is about, sorted by their SDFS path. A folder gives its content: `put -r photos images` makes
 * `images/cat.jpg` of `photos/cat.jpg`. A file takes `to` as its path when it is the only source and `to` does not end
 * in `/`, and lies under it by its own name otherwise.
 * @throws INVALID for links, sockets and devices, before anything is read; USAGE
 */
export async function filesToPut(
  sources: readonly string[],
  to: string,
  { recursive }: { readonly recursive: boolean },
): Promise<LocalFile[]> {
  const folder = to.replace(/\/+$/, "");
  const under = (name: string): string => (folder === "" ? name : `${folder}/${name}`);
  const found: LocalFile[] = [];
  for (const source of sources) {
    const stats = await readable(source, async () => lstat(source));
    if (stats.isDirectory()) {
      if (!recursive)
        throw new IDunnoError("USAGE", {
          message: `${source} is a folder: put it with 'idunno sdfs put -r'`,
        });
      for await (const file of walk(source, "")) found.push({ ...file, path: under(file.path) });
    } else {
      const only = sources.length === 1 && !to.endsWith("/") && to !== "";
      const path = only ? to : under(basename(source));
      found.push({ local: source, path, bytes: regular(source, stats) });
    }
  }
  return ordered(found);
}

async function* walk(folder: string, prefix: string): AsyncGenerator<LocalFile> {
  for (const name of await readable(folder, async () => readdir(folder))) {
    const local = join(folder, name);
    const stats = await readable(local, async () => lstat(local));
    if (stats.isDirectory()) yield* walk(local, `${prefix}${name}/`);
    else yield { local, path: `${prefix}${name}`, bytes: regular(local, stats) };
  }
}

function regular(path: string, stats: Stats): number {
  if (stats.isFile()) return stats.size;
  throw new IDunnoError("INVALID", {
    what: path,
    why: stats.isSymbolicLink() ? "it is a symbolic link" : "it is not a file",
    remedy: "put files and folders only",
  });
}

/** By the bytes of the paths, which is the order of every listing and of a job's inputs. */
function ordered(files: readonly LocalFile[]): LocalFile[] {
  const keyed = files.map((file) => ({ file, key: Buffer.from(file.path) }));
  const sorted = keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ file }) => file);
  for (const [i, file] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before?.path === file.path)
      throw new IDunnoError("USAGE", {
        message: `${before.local} and ${file.local} would both become ${file.path}: put them under different names`,
      });
  }
  return sorted;
}
