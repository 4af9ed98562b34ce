/** `idunno sdfs ls`: what is there, as folders or flat. */
import type { Command } from "commander";
import type { IDunnoClient } from "../../client/client.ts";
import { apiLimits } from "../../lib/api/routes.ts";
import type { ListView } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { humanBytes, humanLogTime } from "../format.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";

type Listed = ListView["files"][number];

/** A file, or a folder, whose name ends in `/`. */
type Row = Pick<Listed, "path"> & Partial<Listed>;

const nameColumns: readonly Column<Row>[] = [{ name: "path", value: ({ path }) => path }];

const longColumns: readonly Column<Row>[] = [
  ...nameColumns,
  { name: "version", value: ({ version }) => version },
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes = 0 }) => humanBytes(bytes) },
  {
    name: "modified",
    value: ({ modifiedAtMs }) => modifiedAtMs,
    human: ({ modifiedAtMs = 0 }) => humanLogTime(modifiedAtMs),
  },
];

/** Sorts after every path that continues the one before it. */
const last = "\u{10FFFF}";

/** The files and folders right under a prefix; a folder larger than a page is stepped over, not read. */
async function* folderView(
  client: IDunnoClient,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<Row> {
  let after: string | undefined;
  let folder: string | undefined;
  do {
    const page = await client.list({ prefix, after, limit: apiLimits.pageRows }, { signal });
    for (const file of page.files) {
      if (folder !== undefined && file.path.startsWith(folder)) continue;
      const slash = file.path.indexOf("/", prefix.length);
      folder = slash < 0 ? undefined : file.path.slice(0, slash + 1);
      yield folder === undefined ? file : { path: folder };
    }
    after = page.next !== undefined && folder !== undefined ? folder + last : page.next;
  } while (after !== undefined);
}

/** The rows, as a stream that begins with what it took to know that there are any; undefined: there are none. */
export async function unlessEmpty<T>(
  rows: AsyncGenerator<T>,
): Promise<AsyncGenerator<T> | undefined> {
  const first = await rows.next();
  if (first.done === true) return undefined;
  const { value } = first;
  return (async function* () {
    yield value;
    yield* rows;
  })();
}

async function* nothing(): AsyncGenerator<never> {}

export function addListCommand(sdfs: Command, open: Open): void {
  sdfs
    .command("ls [prefix]")
    .description("list files and folders")
    .option("-r, --recursive", "every file below, not folders")
    .option("-l, --long", "with version, size and time")
    .addHelpText(
      "after",
      `
Examples:
  idunno sdfs ls                  what is at the top
  idunno sdfs ls -l images
  idunno sdfs ls -r images/2024-  every path that begins so`,
    )
    .action(
      async (
        given: string | undefined,
        options: { recursive?: true; long?: true },
        command: Command,
      ) => {
        const session = open(command);
        const { client, signal } = session;
        const rowsOf = async (prefix: string): Promise<AsyncGenerator<Row> | undefined> =>
          unlessEmpty<Row>(
            options.recursive === true
              ? client.listAll(prefix, { signal })
              : folderView(client, prefix, signal),
          );
        const asked = given ?? "";
        // `ls images` means the folder; a file, or the beginning of names, only when there is no such folder.
        let rows = await rowsOf(asked === "" ? "" : asked.replace(/\/*$/, "/"));
        if (rows === undefined && asked !== "" && !asked.endsWith("/")) rows = await rowsOf(asked);
        if (rows === undefined && asked !== "")
          throw new IDunnoError("NOT_FOUND", {
            kind: "file under",
            name: asked,
            remedy: "see 'idunno sdfs ls'",
          });
        const columns = options.long === true ? longColumns : nameColumns;
        await session.print.stream(rows ?? nothing(), columns, "files");
      },
    );
}
