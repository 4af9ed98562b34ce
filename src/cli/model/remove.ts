/** `idunno model rm`. */
import type { Command } from "commander";
import type { RemovedModel } from "../../lib/api/models.ts";
import { modelReferenceText } from "../../lib/model-reference.ts";
import { plural } from "../format.ts";
import { modelNamed } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";

const columns: readonly Column<RemovedModel>[] = [
  { name: "removed", value: modelReferenceText },
  { name: "jobs", value: ({ jobs }) => jobs },
];

export function addRemoveCommand(group: Command, open: Open): void {
  group
    .command("rm")
    .argument("<name>", "NAME, all versions of it, or NAME@VERSION", modelNamed)
    .description("remove a model; jobs that run it go on")
    .option("--keep-file", "leave its file in SDFS")
    .addHelpText(
      "after",
      `
Examples:
  idunno model rm mobilenet@2
  idunno model rm mobilenet

The file where 'model add' put it goes with the last version that names it; 'idunno sdfs undelete' brings it back for an hour.
Version numbers go on when a model of that name is added again.`,
    )
    .action(
      async (name: string, { keepFile = false }: { keepFile?: boolean }, command: Command) => {
        const session = open(command);
        const options = { keepFile, signal: session.signal };
        const removed = await session.client.removeModel(name, options);
        await session.print.record(removed, columns);
        if (removed.jobs > 0)
          session.note(
            `${plural(removed.jobs, "unfinished job")} keep what was removed until they end`,
          );
      },
    );
}
