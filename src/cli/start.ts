/** `idunno start`: this process becomes a node. */
import type { Command } from "commander";
import { IDunnoError } from "../lib/errors.ts";
import type { NodeDoor, NodeOptions } from "./node-door.ts";
import {
  bootstrapList,
  hostPort,
  type HostPort,
  integer,
  label,
  type NamedAddress,
  nodeList,
  nodeNamed,
} from "./options.ts";
import type { Open, Session } from "./session.ts";

interface StartOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly listen: HostPort;
  readonly http: HostPort;
  readonly advertise?: string;
  readonly bootstrap?: readonly NamedAddress[];
  readonly join?: readonly string[];
  readonly voters?: number;
  readonly slots?: number;
  readonly loadedModels?: number;
  readonly diskReserve?: number;
  readonly label?: Readonly<Record<string, string>>;
}

const examples = `
Examples:
  idunno start --name n1 --data-dir /var/lib/idunno --listen 10.0.0.1:7001 --http 10.0.0.1:8001 \\
    --bootstrap n1=10.0.0.1:7001,n2=10.0.0.2:7001,n3=10.0.0.3:7001
  idunno start --name n4 --data-dir /var/lib/idunno --listen 10.0.0.4:7001 --http 10.0.0.4:8001 \\
    --join 10.0.0.1:8001,10.0.0.2:8001
  idunno start --name n1 --data-dir /var/lib/idunno --listen 10.0.0.1:7001 --http 10.0.0.1:8001

To try it out on one machine: idunno dev up`;

export function addStartCommand(program: Command, open: Open, door: NodeDoor): void {
  program
    .command("start")
    .description("run a node in this process, until SIGTERM or Ctrl-C")
    .requiredOption("--name <name>", "unique in the cluster, and its for ever", nodeNamed)
    .requiredOption("--data-dir <directory>", "where it keeps its log, its state and its chunks")
    .requiredOption("--listen <host:port>", "for the other nodes", hostPort)
    .requiredOption("--http <host:port>", "for clients", hostPort)
    .option("--advertise <host>", "how others reach it, when not by the host of --listen")
    .option(
      "--bootstrap <nodes>",
      "all first members of a new cluster as name=host:port,…; leave it out to start again on existing data",
      bootstrapList,
    )
    .option(
      "--join <host:port,…>",
      "HTTP addresses of running nodes whose cluster it is to join; existing data must be of that cluster",
      nodeList,
    )
    .option(
      "--voters <number>",
      "with --bootstrap: how many members vote while there are enough (default: 7); later 'idunno setting set voters'",
      integer(1, 7),
    )
    .option(
      "--slots <number>",
      "inference threads (default: one for each core; 0: none, it only stores)",
      integer(0, 1024),
    )
    .option(
      "--loaded-models <number>",
      "models kept loaded (default: 16); beyond that the one used longest ago goes, unless queries use it",
      integer(1, 1024),
    )
    .option(
      "--disk-reserve <MiB>",
      "below this much room on its disk it takes no more writes, below twice as much no more chunks (default: 128)",
      integer(1),
    )
    .option(
      "--label <key=value>",
      "such as zone=a: the copies of a file go to different zones; may be repeated",
      label,
    )
    .addHelpText("after", examples)
    .action(async (options: StartOptions, command: Command) => {
      const session = open(command);
      const { name, bootstrap, join } = options;
      checkFounding(options);
      await runNode(session, door, {
        name,
        dataDirectory: session.local(options.dataDir),
        listen: options.listen,
        http: options.http,
        advertise: options.advertise,
        bootstrap,
        join,
        voters: options.voters,
        slots: options.slots,
        loadedModels: options.loadedModels,
        diskReserveBytes:
          options.diskReserve === undefined ? undefined : options.diskReserve * 1024 * 1024,
        labels: options.label ?? {},
      });
    });
}

/** @throws USAGE when --bootstrap does not fit the other options */
function checkFounding({ name, bootstrap, join }: StartOptions): void {
  if (bootstrap !== undefined && join !== undefined)
    throw new IDunnoError("USAGE", {
      message: "--bootstrap founds a cluster and --join enters one: give one of them",
    });
  if (bootstrap !== undefined && !bootstrap.some((member) => member.name === name))
    throw new IDunnoError("USAGE", {
      message: `--bootstrap must name this node as well: ${name}=host:port`,
    });
}

/** A first signal closes the node in good order; main.ts ends the process at once on a second. */
async function runNode(session: Session, door: NodeDoor, options: NodeOptions): Promise<void> {
  const { signal } = session;
  const startNode = await door.startNode();
  const node = await startNode(options);
  const asked = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  session.note(
    `${options.name} is up: http://${options.http.host}:${node.httpPort}, peers at ${options.listen.host}:${node.peerPort}`,
  );
  try {
    await Promise.race([asked, node.stopped]);
    if (signal.aborted)
      session.note(`${options.name} is stopping; a second signal ends it at once`);
  } finally {
    await node.close();
  }
  // Told by who rejects it, when the node failed while it was closing.
  await node.stopped;
}
