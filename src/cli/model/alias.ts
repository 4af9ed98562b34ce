/** `idunno model alias` and `unalias`: other names for models, which can be given to another one at any time. */
import type { Command } from "commander";
import type { AliasView, RemovedAlias } from "../../lib/api/models.ts";
import { modelReferenceText } from "../../lib/model-reference.ts";
import { modelNamed } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";

const columns: readonly Column<AliasView>[] = [
  { name: "alias", value: ({ alias }) => alias },
  {
    name: "model",
    value: ({ model: name, version }) => modelReferenceText({ name, version }),
  },
];

const removedColumns: readonly Column<RemovedAlias>[] = [
  { name: "alias", value: ({ alias }) => alias },
];

export function addAliasCommands(group: Command, open: Open): void {
  group
    .command("alias")
    .argument("<name>", "the other name")
    .argument("<model>", "NAME, whichever version is the newest, or NAME@VERSION", modelNamed)
    .description(
      "give a model another name, which jobs can use; an alias can be given anew at any time",
    )
    .addHelpText(
      "after",
      `
Examples:
  idunno model alias prod mobilenet@3      jobs submitted from now on for prod run version 3
  idunno model alias prod mobilenet@2      and back again
  idunno model alias latest mobilenet      whichever version is the newest when a job is submitted

Jobs that were submitted before go on with what the name meant then.`,
    )
    .action(async (name: string, model: string, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.setAlias(name, model, { signal }), columns);
    });

  group
    .command("unalias")
    .argument("<name>", "the alias")
    .description("take an alias back")
    .action(async (name: string, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.removeAlias(name, { signal }), removedColumns);
    });
}
