/** `idunno leader` and `idunno node`: who leads, and who is part of the cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import { Argument, type Command } from "commander";
import type { LeaderView } from "../lib/api/cluster.ts";
import { IDunnoError } from "../lib/errors.ts";
import { nodeNamed } from "./options.ts";
import type { Column } from "./output.ts";
import type { Open, Session } from "./session.ts";

/** Between two looks at a node that is leaving, in ms. */
const lookMs = 250;

const leaderColumns: readonly Column<LeaderView>[] = [
  { name: "leader", value: ({ leader }) => leader },
];

export function addNodeCommands(program: Command, open: Open): void {
  addLeaderCommands(program, open);
  program
    .command("node")
    .description("the machines of the cluster; 'idunno start --join' adds one")
    .command("remove")
    .description("let a node leave for good: its chunks are copied elsewhere first, then it stops")
    .addArgument(new Argument("<name>", "as 'idunno members' shows it").argParser(nodeNamed))
    .option("--no-wait", "return at once; 'idunno members' shows it until it has left")
    .addHelpText(
      "after",
      `
Examples:
  idunno node remove n4            a node that runs hands on what it holds, one that is dead is forgotten
  idunno node remove n4 --no-wait`,
    )
    .action(async (name: string, options: { wait: boolean }, command: Command) => {
      const session = open(command);
      await session.client.removeMember(name, { signal: session.signal });
      if (options.wait) await untilLeft(name, session);
      session.note(options.wait ? `${name} has left` : `${name} is leaving`);
    });
}

function addLeaderCommands(program: Command, open: Open): void {
  const leader = program.command("leader").description("who leads the cluster, and who should");
  leader
    .command("show", { isDefault: true })
    .description("who leads, as the node that answers sees it")
    .action(async (_options: object, command: Command) => {
      const { client, print, signal } = open(command);
      const status = await client.status({ signal });
      if (status.leader === undefined) throw new IDunnoError("NO_LEADER", { waitedMs: 0 });
      await print.record({ leader: status.leader }, leaderColumns);
    });
  leader
    .command("transfer")
    .description("hand the leadership over, to the voter that is furthest unless one is named")
    .addArgument(new Argument("[name]", "a voter").argParser(nodeNamed))
    .addHelpText(
      "after",
      `
Examples:
  idunno leader transfer       before the machine of the leader is stopped
  idunno leader transfer n2`,
    )
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { client, print, signal } = open(command);
      await print.record(await client.handOver(name, { signal }), leaderColumns);
    });
}

/** Until the member list shows it no more. Copying what it holds takes as long as it takes; Ctrl-C stops the waiting only. */
async function untilLeft(name: string, { client, signal }: Session): Promise<void> {
  for (;;) {
    const members = await client.members({ signal });
    if (!members.some(({ node }) => node === name)) return;
    await sleep(lookMs, undefined, { signal });
  }
}
