/** `idunno sdfs get` and `cat`: bytes out of SDFS. A local file appears whole or not at all. */
import { randomBytes } from "node:crypto";
import { mkdir, open as openFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import type { FileView } from "../../lib/api/files.ts";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import { ChunkHash } from "../../lib/types.ts";
import { humanBytes, plural } from "../format.ts";
import { type FileAt, fileAt, folderPrefix, integer } from "../options.ts";
import { bar } from "../progress.ts";
import type { Open, Session } from "../session.ts";
import { readable } from "./local-files.ts";
import { inParallel } from "./parallel.ts";
import { FolderNames, Partial } from "./partial.ts";
import { restored } from "./unchanged.ts";

/** As many as a cluster can be told to keep. */
const versionsMax = 100;

const lineEnd = "\n".charCodeAt(0);

export function addGetCommands(sdfs: Command, open: Open): void {
  sdfs
    .command("get <path[@version]> <destination>")
    .description("read a file into a local one; '-' is standard output")
    .option("-r, --recursive", "restore every file under a prefix into a folder")
    .addHelpText(
      "after",
      `
Examples:
  idunno sdfs get images/cat.jpg .
  idunno sdfs get images/cat.jpg@2 old-cat.jpg
  idunno sdfs get -r images photos            images/a/b.jpg becomes photos/a/b.jpg

What was interrupted goes on where it stopped when it is given again: bytes that are there are checked first, and with
-r files that are there unchanged are passed over.`,
    )
    .action(
      async (
        source: string,
        destination: string,
        options: { recursive?: true },
        command: Command,
      ) => {
        const session = open(command);
        if (options.recursive === true) return restore(session, source, destination);
        const file = fileAt(source);
        if (destination === "-") return copyOut(session, file);
        const target = await intoFolder(session.local(destination), file.path);
        const { signal } = session;
        const names = new FolderNames();
        const { bytes, kept } = await fetchInto(session, file, target, { signal, names });
        const before = kept === 0 ? "" : `, of which ${humanBytes(kept)} were there`;
        session.note(`${target}: ${humanBytes(bytes)}${before}`);
      },
    );

  sdfs
    .command("cat <path[@version]>")
    .description("write a file to standard output")
    .action(async (source: string, _options: object, command: Command) =>
      copyOut(open(command), fileAt(source)),
    );

  addGetVersions(sdfs, open);
}

function addGetVersions(sdfs: Command, open: Open): void {
  sdfs
    .command("get-versions <path> <n> <destination>")
    .description("read the newest versions of a file into one local file; '-' is standard output")
    .addHelpText(
      "after",
      `
The newest comes first. Before each version stands a line such as
===== images/cat.jpg@3 (48213 bytes) =====
and after one that does not end its last line, a line end that is not part of it.

Examples:
  idunno sdfs get-versions notes.txt 3 history.txt
  idunno sdfs get-versions notes.txt 5 - | less`,
    )
    .action(
      async (path: string, n: string, destination: string, _options: object, command: Command) => {
        const session = open(command);
        const count = integer(1, versionsMax)(n);
        const kept = await session.client.versions(path, { signal: session.signal });
        const newest = kept.toReversed().slice(0, count);
        const content = delimited(session, newest);
        if (destination === "-")
          for await (const piece of content) await session.print.bytes(piece);
        else {
          const target = await intoFolder(session.local(destination), path);
          await writeWhole(target, content);
          session.note(`${target}: ${plural(newest.length, "version")}`);
        }
        if (newest.length < count)
          session.note(`no more than ${plural(newest.length, "version")} of ${path} are kept`);
      },
    );
}

/** Versions one after the other, each under a line that names it. */
async function* delimited(
  { client, signal }: Session,
  versions: readonly FileView[],
): AsyncGenerator<Uint8Array> {
  let endsLine = true;
  for (const { path, version, bytes } of versions) {
    yield Buffer.from(`${endsLine ? "" : "\n"}===== ${path}@${version} (${bytes} bytes) =====\n`);
    endsLine = true;
    const { body } = await client.getFile(path, { version, signal });
    for await (const piece of body) {
      yield piece;
      if (piece.length > 0) endsLine = piece.at(-1) === lineEnd;
    }
  }
}

async function copyOut(session: Session, { path, version }: FileAt): Promise<void> {
  const { body } = await session.client.getFile(path, { version, signal: session.signal });
  for await (const piece of body) await session.print.bytes(piece);
}

/** As `cp` does: into an existing folder under its own name. */
async function intoFolder(destination: string, path: string): Promise<string> {
  const isFolder = await stat(destination).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isFolder || destination.endsWith("/") ? join(destination, basename(path)) : destination;
}

/** Writes aside and renames, so that a reader never sees half a file; goes on with what an earlier try left. */
async function fetchInto(
  { client }: Session,
  { path, version }: FileAt,
  target: string,
  { signal, names }: { readonly signal: AbortSignal; readonly names: FolderNames },
): Promise<{ readonly bytes: number; readonly kept: number }> {
  const file = await client.stat(path, { version, signal });
  const partial = await readable(target, async () => Partial.open(target, names));
  try {
    let kept = 0;
    if ((await readable(target, async () => partial.size())) > 0) {
      const { chunks } = await client.locate(path, { version: file.version, signal });
      const wanted = chunks.map(({ hash, bytes }) => ({ hash: ChunkHash(hash), bytes }));
      kept = await readable(target, async () => partial.keep(wanted));
    }
    let position = kept;
    for await (const piece of client.fileBytes(file, { from: kept, signal }))
      position += await readable(target, async () => partial.write(piece, position));
    await readable(target, async () => partial.finish());
    return { bytes: file.bytes, kept };
  } catch (error) {
    await partial.abandon();
    throw error;
  }
}

/** Writes aside and renames, so that a reader never sees half a file. */
async function writeWhole(target: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const aside = join(dirname(target), `.${randomBytes(8).toString("hex")}.idunno`);
  try {
    const handle = await readable(target, async () => openFile(aside, "wx"));
    try {
      for await (const piece of content)
        await readable(target, async () => handle.writeFile(piece));
    } finally {
      await handle.close();
    }
    await readable(target, async () => rename(aside, target));
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

async function restore(session: Session, source: string, destination: string): Promise<void> {
  if (destination === "-")
    throw new IDunnoError("USAGE", { message: "a folder cannot be written to standard output" });
  const prefix = folderPrefix(source);
  const folder = session.local(destination);
  await session.learnNodes();
  const files: { path: string; version: number; bytes: number; target: string }[] = [];
  for await (const file of session.client.listAll(prefix, { signal: session.signal }))
    files.push({ ...file, target: join(folder, ...safe(file.path.slice(prefix.length))) });
  if (files.length === 0)
    throw new IDunnoError("NOT_FOUND", {
      kind: "file under",
      name: prefix,
      remedy: "see 'idunno sdfs ls'",
    });
  const same = await restored(files, session.client, session.signal);
  const wanted = files.filter(({ path }) => !same.has(path));
  const names = new FolderNames();
  using progress = session.progress();
  let done = same.size;
  try {
    await inParallel(wanted, session.signal, async ({ path, version, target }, signal) => {
      await readable(target, async () => mkdir(dirname(target), { recursive: true }));
      await fetchInto(session, { path, version }, target, { signal, names });
      done += 1;
      progress.show(`${bar(done, files.length)} ${done}/${plural(files.length, "file")}`);
    });
  } catch (error) {
    progress.clear();
    session.note(`${done} of ${plural(files.length, "file")} were restored`);
    // Between listing and reading it was removed.
    if (hasCode(error, "NOT_FOUND")) session.note("files went away meanwhile: run it again");
    throw error;
  }
  progress.clear();
  const there = same.size === 0 ? "" : `, ${same.size} unchanged`;
  session.note(`${folder}: ${plural(files.length, "file")}${there}`);
}

/** The segments of a path that may become a local one. What a node says must not lead out of the folder. */
function safe(path: string): string[] {
  const parts = path.split("/");
  const bad = parts.some(
    (part) => part === "" || part === "." || part === ".." || /[\0\\]/.test(part),
  );
  if (bad)
    throw new IDunnoError("INVALID", {
      what: path,
      why: "its name cannot be a local file's",
      remedy: "get it alone, under another name",
    });
  return parts;
}
