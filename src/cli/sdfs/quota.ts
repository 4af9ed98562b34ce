/** `idunno sdfs quota`: how much may lie under which prefix. */
import type { Command } from "commander";
import type { QuotaView } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { humanBytes } from "../format.ts";
import { byteSize, folderPrefix, integer } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";

const sizeOf = (bytes = 0): string => humanBytes(bytes);

const columns: readonly Column<QuotaView>[] = [
  { name: "prefix", value: ({ prefix }) => prefix, human: ({ prefix }) => prefix || "/" },
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes }) => sizeOf(bytes) },
  {
    name: "max-size",
    value: ({ bytesLimit }) => bytesLimit,
    human: ({ bytesLimit }) => sizeOf(bytesLimit),
  },
  { name: "files", value: ({ files }) => files },
  { name: "max-files", value: ({ filesLimit }) => filesLimit },
  { name: "state", value: ({ bytes }) => (bytes === undefined ? "counting" : "exact") },
];

export function addQuotaCommands(sdfs: Command, open: Open): void {
  const quota = sdfs
    .command("quota")
    .description("how much may lie under a prefix")
    .addHelpText(
      "after",
      `
A prefix is a folder; / is everything. The newest version of each file counts, older ones and copies do not.

Examples:
  idunno sdfs quota set images --bytes 10G --files 1000
  idunno sdfs quota ls
  idunno sdfs quota rm images`,
    );

  quota
    .command("set <prefix>")
    .description("limit what may lie there; a limit that is not given is none")
    .option("--bytes <size>", "of the newest versions: 500M, 10G or 1.5T, of 1,024 each", byteSize)
    .option("--files <n>", "how many files", integer(0))
    .action(async (given: string, limits: { bytes?: number; files?: number }, command: Command) => {
      const { client, print, signal } = open(command);
      if (limits.bytes === undefined && limits.files === undefined)
        throw new IDunnoError("USAGE", {
          message: "give --bytes, --files or both; 'idunno sdfs quota rm' takes a quota back",
        });
      const set = await client.setQuota(folderPrefix(given), limits, { signal });
      await print.record(set, columns);
    });

  quota
    .command("ls")
    .description("list the quotas, and what lies under each")
    .action(async (_options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.rows(await client.quotas({ signal }), columns);
    });

  quota
    .command("rm <prefix>")
    .description("take a quota back")
    .action(async (given: string, _options: object, command: Command) => {
      const session = open(command);
      const { signal } = session;
      const { prefix } = await session.client.removeQuota(folderPrefix(given), { signal });
      session.note(`removed the quota of ${prefix || "/"}`);
    });
}
