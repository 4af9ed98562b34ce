/** `idunno sdfs du`: how much lies where. */
import type { Command } from "commander";
import type { FolderUsage } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { humanBytes } from "../format.ts";
import { folderPrefix, integer } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";
import { unlessEmpty } from "./list.ts";

/** Folders under the prefix that can be told apart: a path could have 512. */
const maxDepth = 99;

const columns: readonly Column<FolderUsage>[] = [
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes }) => humanBytes(bytes) },
  {
    name: "kept",
    value: ({ keptBytes }) => keptBytes,
    human: ({ keptBytes }) => humanBytes(keptBytes),
  },
  { name: "files", value: ({ files }) => files },
  { name: "path", value: ({ path }) => path, human: ({ path }) => (path === "" ? "/" : path) },
];

export function addUsageCommand(sdfs: Command, open: Open): void {
  sdfs
    .command("du [prefix]")
    .description(
      "how many bytes and files there are: of the newest versions, and of all that are kept",
    )
    .option("-d, --depth <n>", "folders under it that are told apart", integer(0, maxDepth), 0)
    .addHelpText(
      "after",
      `
Bytes are those of the files' content, once for each file; copies and shared chunks do not count.

Examples:
  idunno sdfs du                  all there is
  idunno sdfs du images -d 1      each folder in images, and images last`,
    )
    .action(async (given: string | undefined, options: { depth: number }, command: Command) => {
      const { client, print, signal } = open(command);
      const prefix = folderPrefix(given ?? "");
      const usage = client.usage(prefix, options.depth, { signal });
      const rows = await unlessEmpty(prefix === "" ? usage : filled(usage));
      if (rows === undefined)
        throw new IDunnoError("NOT_FOUND", {
          kind: "file under",
          name: prefix,
          remedy: "see 'idunno sdfs ls'",
        });
      await print.stream(rows, columns, "folders");
    });
}

/** Only the prefix itself can have nothing in it. */
async function* filled(usage: AsyncIterable<FolderUsage>): AsyncGenerator<FolderUsage> {
  for await (const folder of usage) if (folder.files > 0) yield folder;
}
