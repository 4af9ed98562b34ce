/** `idunno sdfs put`: local files, a folder or standard input become new versions in SDFS. */
import type { Command } from "commander";
import type { FileView } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { humanBytes, plural } from "../format.ts";
import { integer } from "../options.ts";
import type { Column } from "../output.ts";
import { bar } from "../progress.ts";
import type { Open, Session } from "../session.ts";
import { filesToPut, type LocalFile, localSource } from "./local-files.ts";
import { inParallel } from "./parallel.ts";
import { putFolder, stateColumn } from "./put-folder.ts";

export const putColumns: readonly Column<FileView>[] = [
  { name: "path", value: ({ path }) => path },
  { name: "version", value: ({ version }) => version },
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes }) => humanBytes(bytes) },
  { name: "copies", value: ({ copies }) => copies },
];

interface PutOptions {
  readonly recursive?: true;
  readonly force?: true;
  readonly ifVersion?: number;
}

/** A put's newest version before, as the client takes it. */
function condition(ifVersion: number | undefined): { readonly ifVersion?: number } {
  return ifVersion === undefined ? {} : { ifVersion };
}

export function addPutCommand(sdfs: Command, open: Open): void {
  sdfs
    .command("put <source...>")
    .usage("[options] <source...> <path>")
    .description("write files; '-' is standard input. The last argument is the path in SDFS")
    .option("-r, --recursive", "put the content of folders, but for files that are there unchanged")
    .option("--force", "with -r: put every file, also unchanged ones")
    .option(
      "--if-version <n>",
      "only when this is the newest version now; 0: only when there is no such file",
      integer(0),
    )
    .addHelpText(
      "after",
      `
Examples:
  idunno sdfs put cat.jpg images/cat.jpg
  idunno sdfs put cat.jpg dog.jpg images/
  idunno sdfs put -r photos images            photos/a/b.jpg becomes images/a/b.jpg
  tar c logs | idunno sdfs put - backup.tar
  idunno sdfs put --if-version 3 config.json config.json      refused when another version is the newest

With -r, a file whose newest version has the same bytes is not put again: a put that was interrupted goes on when it is
given again.`,
    )
    .action(async (given: string[], options: PutOptions, command: Command) => {
      const session = open(command);
      const to = given.at(-1) ?? "";
      const sources = given.slice(0, -1);
      if (sources.length === 0)
        throw new IDunnoError("USAGE", {
          message: "put needs a source and a path in SDFS: idunno sdfs put cat.jpg images/cat.jpg",
        });
      const { ifVersion } = options;
      if (sources.includes("-")) return putStandardInput(session, sources, { to, ifVersion });
      const files = await filesToPut(
        sources.map((source) => session.local(source)),
        to,
        { recursive: options.recursive ?? false },
      );
      if (ifVersion !== undefined && files.length !== 1)
        throw new IDunnoError("USAGE", {
          message: "--if-version is about one file: put them one at a time",
        });
      if (options.recursive === true && ifVersion === undefined) {
        const views = await putFolder(session, files, { force: options.force ?? false });
        return session.print.rows(views, [...putColumns, stateColumn], views);
      }
      const views = await putAll(session, files, ifVersion);
      await session.print.rows(views, putColumns, views.length === 1 ? views[0] : views);
    });
}

async function putStandardInput(
  session: Session,
  sources: readonly string[],
  { to, ifVersion }: { readonly to: string; readonly ifVersion: number | undefined },
): Promise<void> {
  if (sources.length > 1 || to.endsWith("/"))
    throw new IDunnoError("USAGE", {
      message: "standard input becomes one file: idunno sdfs put - PATH",
    });
  const view = await session.client.putFile(
    to,
    { kind: "once", stream: session.world.stdin as AsyncIterable<Uint8Array> },
    { signal: session.signal, ...condition(ifVersion) },
  );
  await session.print.rows([view], putColumns, view);
}

async function putAll(
  session: Session,
  files: readonly LocalFile[],
  ifVersion: number | undefined,
): Promise<FileView[]> {
  if (files.length > 1) await session.learnNodes();
  using progress = session.progress();
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneFiles = 0;
  let doneBytes = 0;
  try {
    return await inParallel(files, session.signal, async ({ local, path, bytes }, signal) => {
      const source = { kind: "reopen", open: () => localSource(local) } as const;
      const view = await session.client.putFile(path, source, {
        signal,
        ...condition(ifVersion),
      });
      doneFiles += 1;
      doneBytes += bytes;
      progress.show(
        `${bar(doneBytes, totalBytes)} ${doneFiles}/${plural(files.length, "file")} ${humanBytes(doneBytes)}`,
      );
      return view;
    });
  } catch (error) {
    progress.clear();
    if (files.length > 1) session.note(`${doneFiles} of ${plural(files.length, "file")} were put`);
    throw error;
  }
}
