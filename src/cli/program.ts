/** The whole command line: the commands, the global options, and what happens to errors. Nothing here ends the process. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { asIDunnoError, hasCode, IDunnoError } from "../lib/errors.ts";
import { addDevCommands } from "./dev/commands.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";
import { addJobCommands } from "./job/commands.ts";
import { addLogCommands } from "./log/commands.ts";
import { addModelCommands } from "./model/commands.ts";
import { nodeDoor, type NodeDoor } from "./node-door.ts";
import { duration, nodeList } from "./options.ts";
import { formats } from "./output.ts";
import { addRecoverCommand } from "./recover.ts";
import { addSdfsCommands } from "./sdfs/commands.ts";
import { defaultNode, type GlobalOptions, Session, type World } from "./session.ts";
import { addNodeCommands } from "./node.ts";
import { addSettingCommands } from "./setting.ts";
import { addStartCommand } from "./start.ts";
import { addStatusCommands } from "./status.ts";

/** Why a command was interrupted: the reason of the world's signal. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;

  /** @param exitCode 128 and the number of the signal, as shells have it */
  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** Runs one command line. @returns the exit code */
export async function run(
  argv: readonly string[],
  world: World,
  door: NodeDoor = nodeDoor,
): Promise<number> {
  // `idunno job ls | head -1`: when the reader has gone there is nobody left to work for.
  const unread = new AbortController();
  const onError = (error: NodeJS.ErrnoException): void =>
    unread.abort(error.code === "EPIPE" ? new ReaderGone() : error);
  world.stdout.on("error", onError);
  const signal = AbortSignal.any([world.signal, unread.signal]);
  let session: Session | undefined;
  const open = (command: Command): Session => {
    session = new Session({ ...world, signal }, command.optsWithGlobals<GlobalOptions>());
    return session;
  };
  try {
    await buildProgram(world, open, door).parseAsync([...argv], { from: "user" });
    unread.signal.throwIfAborted();
    return session?.exitCode ?? exitCodes.done;
  } catch (error) {
    return report(signal.aborted ? signal.reason : error, world);
  } finally {
    world.stdout.off("error", onError);
  }
}

class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

function report(error: unknown, world: World): number {
  if (error instanceof ReaderGone) return exitCodes.done;
  if (error instanceof Interrupted) return error.exitCode;
  // What a parser of options throws while commander parses, commander has said already.
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError))
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const known =
    error instanceof InvalidArgumentError
      ? new IDunnoError("USAGE", { message: error.message }, { cause: error })
      : asIDunnoError(error);
  const message = `${known.message}${hint(known)}`.replaceAll(/\s*\n\s*/g, " ");
  world.stderr.write(`idunno: ${message} [${known.code}]\n`);
  if (world.env["IDUNNO_DEBUG"]) world.stderr.write(`${debugText(known)}\n`);
  return exitCodeOf[known.code];
}

const listings: Readonly<Record<string, string>> = {
  job: "idunno job ls",
  model: "idunno model ls",
  setting: "idunno setting ls",
  file: "idunno sdfs ls",
  node: "idunno members",
};

/** Where the right names are, when the answer does not say. */
function hint(error: IDunnoError): string {
  if (!hasCode(error, "NOT_FOUND") || error.message.includes("'idunno ")) return "";
  const listing = listings[error.details.kind];
  return listing === undefined ? "" : ` (see '${listing}')`;
}

function debugText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${debugText(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

function version(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function buildProgram(world: World, open: (command: Command) => Session, door: NodeDoor): Command {
  const program = new Command("idunno")
    .description("image inference on many machines, any of which may die")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "say how to use a command")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      getOutHelpWidth: () => (world.stdout as { columns?: number }).columns ?? 80,
      outputError: (text, write) =>
        write(
          `idunno: ${text
            .replace(/^error: /, "")
            .trim()
            .replaceAll(/\s*\n\s*/g, " ")} [USAGE]\n`,
        ),
    })
    .option(
      "--node <host:port,…>",
      `which nodes to ask (or IDUNNO_NODE; else the cluster of 'idunno dev', else ${defaultNode})`,
      nodeList,
    )
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(formats).default("table"),
    )
    .option(
      "--timeout <time>",
      "how long to wait for the cluster: 500ms, 10s, 2m, or milliseconds (default: 10s)",
      duration,
    )
    .option("--stale", "answer reads from what one node has, without asking the leader")
    .addHelpText(
      "after",
      `
Examples:
  idunno dev up                                     a cluster of five on this machine
  idunno sdfs put -r photos images
  idunno model add mobilenet models/mobilenet.onnx
  idunno job submit --model mobilenet --input images/
  idunno job results j42 | head

Exit codes: 0 done, 1 failed, 2 usage, 3 no leader or nobody reachable, 4 not found, 5 conflict,
6 unhealthy or corrupt, 7 partial, 124 timed out, 130 interrupted. IDUNNO_DEBUG=1 shows stacks.`,
    );
  addStartCommand(program, open, door);
  addRecoverCommand(program, open, door);
  addDevCommands(program, open);
  addStatusCommands(program, open);
  addNodeCommands(program, open);
  addSettingCommands(program, open);
  addModelCommands(program, open);
  addJobCommands(program, open);
  addSdfsCommands(program, open);
  addLogCommands(program, open, door);
  return program;
}
