/** `idunno sdfs mv`: files, or all of a folder at one moment, get other names. */
import { basename } from "node:path";
import type { Command } from "commander";
import type { MovedView } from "../../lib/api/files.ts";
import type { FileMove } from "../../lib/content.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { folderPrefix } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open, Session } from "../session.ts";

/** Files that move at one moment. */
const filesAtOnce = 1_000;

const columns: readonly Column<MovedView["files"][number]>[] = [
  { name: "from", value: ({ from }) => from },
  { name: "path", value: ({ path }) => path },
  { name: "version", value: ({ version }) => version },
];

export function addMoveCommand(sdfs: Command, open: Open): void {
  sdfs
    .command("mv <from> <to>")
    .description("give a file another name, with all its versions, or a folder; all or none")
    .option("-r, --recursive", `move what is in a folder: ${filesAtOnce} files at most`)
    .addHelpText(
      "after",
      `
What is at the destination stays: it must be removed first. Versions are numbered anew, after the last one
that the destination ever had.

Examples:
  idunno sdfs mv images/cat.jpg images/tom.jpg
  idunno sdfs mv images/cat.jpg pets/         pets/cat.jpg
  idunno sdfs mv -r images/2024 archive       images/2024/a.jpg becomes archive/a.jpg`,
    )
    .action(async (from: string, to: string, options: { recursive?: true }, command: Command) => {
      const session = open(command);
      const moves =
        options.recursive === true
          ? await movesOf(session, folderPrefix(from), folderPrefix(to))
          : [single(from, to)];
      const moved = await session.client.move(moves, { signal: session.signal });
      await session.print.rows(moved.files, columns, moved);
    });
}

function single(from: string, to: string): FileMove {
  if (from.endsWith("/"))
    throw new IDunnoError("USAGE", {
      message: `${from} is a folder: move it with 'idunno sdfs mv -r'`,
    });
  return { from, to: to.endsWith("/") || to === "" ? to + basename(from) : to };
}

/** The files under a prefix, as they are now. What comes later stays where it is. */
async function movesOf(session: Session, from: string, to: string): Promise<FileMove[]> {
  const moves: FileMove[] = [];
  for await (const { path } of session.client.listAll(from, { signal: session.signal })) {
    moves.push({ from: path, to: to + path.slice(from.length) });
    if (moves.length > filesAtOnce)
      throw new IDunnoError("TOO_LARGE", {
        what: from === "" ? "the store" : `the folder ${from}`,
        size: moves.length,
        limit: filesAtOnce,
        unit: "files or more",
        remedy: "move its folders one at a time; nothing was moved",
      });
  }
  if (moves.length === 0)
    throw new IDunnoError("NOT_FOUND", {
      kind: "file under",
      name: from,
      remedy: "see 'idunno sdfs ls'",
    });
  return moves;
}
