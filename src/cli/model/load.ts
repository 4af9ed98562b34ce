/** `idunno model load` and `unload`: what every node has ready, and what it need not have. */
import type { Command } from "commander";
import type { ModelView } from "../../lib/api/cluster.ts";
import { modelNamed } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";
import { untilLoaded } from "./loading.ts";

export function addLoadCommands(
  group: Command,
  open: Open,
  columns: readonly Column<ModelView>[],
): void {
  group
    .command("load")
    .argument("<name>", "NAME, NAME@VERSION, or an alias", modelNamed)
    .description("load a model on every node, and wait until each has it")
    .option("--no-wait", "come back at once; 'idunno model show' tells which nodes have it")
    .addHelpText(
      "after",
      `
Examples:
  idunno model load mobilenet        also tries at once again where it failed
  idunno model load mobilenet@2      an older version, which then stays loaded beside the newest

Exits with 0 when every node that is up and has slots has it loaded, with 1 when one cannot; which and why is said.`,
    )
    .action(async (name: string, { wait }: { wait: boolean }, command: Command) => {
      const session = open(command);
      const { client, print, signal } = session;
      const asked = await client.setModel(name, { loaded: true }, { signal });
      await print.record(wait ? await untilLoaded(session, asked) : asked, columns);
    });

  group
    .command("unload")
    .argument("<name>", "NAME, NAME@VERSION, or an alias", modelNamed)
    .description("let nodes free a model's memory; a job that needs it has it loaded then")
    .action(async (name: string, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.setModel(name, { loaded: false }, { signal }), columns);
    });
}
