/** `idunno setting`: what holds for the whole cluster, and texts of the user's own tools. */
import type { Command } from "commander";
import type { SettingView } from "../lib/api/cluster.ts";
import { apiLimits } from "../lib/api/routes.ts";
import type { Column } from "./output.ts";
import type { Open } from "./session.ts";

const columns: readonly Column<SettingView>[] = [
  { name: "setting", value: ({ name }) => name },
  { name: "value", value: ({ value }) => value },
  {
    name: "set",
    value: ({ isSet }) => isSet,
    human: ({ isSet }) => (isSet ? "yes" : "by default"),
  },
];

export function addSettingCommands(program: Command, open: Open): void {
  const setting = program
    .command("setting")
    .description("settings of the whole cluster; names that begin with x- are yours")
    .addHelpText(
      "after",
      `
Examples:
  idunno setting ls
  idunno setting set voters 5
  idunno setting set x-deploy.version 2024-11-03
  idunno setting get x-deploy.version -o json | jq -r .value`,
    );

  setting
    .command("ls [prefix]")
    .description("list the settings")
    .action(async (prefix: string | undefined, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      const settings: SettingView[] = [];
      let after: string | undefined;
      do {
        const query = { prefix: prefix ?? "", after, limit: apiLimits.pageRows };
        const page = await client.settings(query, { signal });
        settings.push(...page.settings);
        after = page.next;
      } while (after !== undefined);
      await print.rows(settings, columns);
    });

  setting
    .command("get <name>")
    .description("one setting")
    .action(async (name: string, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.setting(name, { signal }), columns);
    });

  setting
    .command("set <name> <value>")
    .description("set one, for every node")
    .action(async (name: string, value: string, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.set(name, value, { signal }), columns);
    });

  setting
    .command("rm <name>")
    .description("take one back: the cluster's own then are what they are by default")
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const { signal } = session;
      const removed = await session.client.unset(name, { signal });
      session.note(`removed setting ${removed.name}`);
    });
}
