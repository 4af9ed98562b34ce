/** `idunno dev`: a local cluster by hand. */
import { type Command, InvalidArgumentError } from "commander";
import { constants } from "node:os";
import type { Column } from "../output.ts";
import { integer } from "../options.ts";
import type { Open, Session } from "../session.ts";
import { DevCluster, devDefaults, type DevNodeView } from "./cluster.ts";
import { basePorts } from "./ports.ts";

const columns: readonly Column<DevNodeView>[] = [
  { name: "node", value: ({ name }) => name },
  { name: "state", value: ({ state }) => state },
  { name: "pid", value: ({ pid }) => pid },
  { name: "http", value: ({ httpAddress }) => httpAddress },
  { name: "peer", value: ({ peerAddress }) => peerAddress },
];

function signalName(text: string): NodeJS.Signals {
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  if (!Object.hasOwn(constants.signals, name))
    throw new InvalidArgumentError("Expected a signal such as SIGKILL, SIGTERM or SIGSTOP.");
  return name as NodeJS.Signals;
}

function basePort(text: string): number {
  return text === "0" ? 0 : integer(basePorts.lowest, basePorts.highest)(text);
}

interface Place {
  readonly dir: string;
}

function cluster(session: Session, { dir }: Place): DevCluster {
  return DevCluster.open({
    directory: session.local(dir),
    note: (text) => session.note(text),
    signal: session.signal,
  });
}

export function addDevCommands(program: Command, open: Open): void {
  const dev = program
    .command("dev")
    .description("a local cluster of real daemons, to try things out")
    .addHelpText(
      "after",
      `
Examples:
  idunno dev up                     five nodes; 'idunno' finds them by itself from here on
  idunno dev kill n3                as if the machine died: SIGKILL
  idunno dev kill n3 --signal STOP  as if it hung
  idunno dev restart n3             back again, on the data it has
  idunno dev add                    one more node, which joins the others
  idunno dev down                   stop them all; the data stay for the next 'dev up'
  idunno dev down --wipe            stop them all and remove everything`,
    );
  addUp(dev, open);
  const withDirectory = (command: Command): Command =>
    command.option("--dir <directory>", "where the cluster lives", devDefaults.directory);

  withDirectory(dev.command("down").description("stop every node"))
    .option("--wipe", "remove their data and logs as well")
    .action(async (options: Place & { wipe?: true }, command: Command) => {
      const session = open(command);
      await cluster(session, options).down({ wipe: options.wipe ?? false });
      session.note(options.wipe === true ? "stopped and removed" : "stopped");
    });

  withDirectory(dev.command("ls").description("list the nodes")).action(
    async (options: Place, command: Command) => {
      const session = open(command);
      await session.print.rows(cluster(session, options).nodes, columns);
    },
  );

  withDirectory(
    dev
      .command("kill <node>")
      .description("send a signal to a node, SIGKILL unless told otherwise"),
  )
    .option("--signal <signal>", "which one", signalName, "SIGKILL")
    .action(async (name: string, options: Place & { signal: NodeJS.Signals }, command: Command) => {
      const session = open(command);
      await cluster(session, options).kill(name, options.signal);
      session.note(`${name} got ${options.signal}`);
    });

  withDirectory(dev.command("add").description("start one more node, which joins")).action(
    async (options: Place, command: Command) => {
      const session = open(command);
      const name = await cluster(session, options).add();
      session.note(`${name} has joined`);
    },
  );

  withDirectory(
    dev.command("restart <node>").description("stop a node if it runs, and start it again"),
  ).action(async (name: string, options: Place, command: Command) => {
    const session = open(command);
    await cluster(session, options).restart(name);
    session.note(`${name} is ready`);
  });
}

function addUp(dev: Command, open: Open): void {
  dev
    .command("up")
    .description("start a cluster and wait until it is ready")
    .option("--nodes <number>", `how many nodes (default: ${devDefaults.nodes})`, integer(1, 99))
    .option("--dir <directory>", "where it lives", devDefaults.directory)
    .option(
      "--base-port <port>",
      "node n1 gets this + 1 for peers, + 101 for HTTP; 0: any free",
      basePort,
      devDefaults.basePort,
    )
    .option(
      "--slots <number>",
      "inference threads of each node",
      integer(1, 1024),
      devDefaults.slots,
    )
    .action(
      async (
        options: Place & { nodes?: number; basePort: number; slots: number },
        command: Command,
      ) => {
        const session = open(command);
        using progress = session.progress();
        progress.show("starting …");
        const started = await DevCluster.up({
          directory: session.local(options.dir),
          nodes: options.nodes,
          basePort: options.basePort,
          slots: options.slots,
          note: (text) => {
            progress.clear();
            session.note(text);
          },
          signal: session.signal,
        });
        progress.clear();
        await session.print.rows(started.nodes, columns);
        session.note(
          options.dir === devDefaults.directory
            ? "next: idunno status · idunno sdfs put -r photos images · idunno dev down"
            : `next: export IDUNNO_NODE=${started.endpoints.join(",")}`,
        );
      },
    );
}
