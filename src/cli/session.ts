/**
 * What a command works with: the client, the printer and the signal, made from the global options. {@link World} is
 * everything that comes from outside the program, so that tests can run it without a process.
 */
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Command } from "commander";
import { IDunnoClient } from "../client/client.ts";
import { apiLimits } from "../lib/api/routes.ts";
import { nodesOfDevCluster } from "./dev/state.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { nodeList } from "./options.ts";
import { type Format, Printer } from "./output.ts";
import { ProgressLine } from "./progress.ts";

export interface World {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

export interface GlobalOptions {
  readonly node?: readonly string[];
  readonly output: Format;
  readonly timeout?: number;
  readonly stale?: true;
}

/** When every node refuses the connection nobody is there: a person should not wait the whole time-out to learn it. */
const patienceMs = 1_000;

export const defaultNode = "127.0.0.1:8001";

export class Session {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly print: Printer;
  /** Only when given: for commands where waiting is the work. */
  readonly timeoutMs: number | undefined;
  /** What the process will exit with when the command ends without an error. */
  exitCode: ExitCode = exitCodes.done;
  readonly #options: GlobalOptions;
  #client: IDunnoClient | undefined;

  constructor(world: World, options: GlobalOptions) {
    this.world = world;
    this.signal = world.signal;
    this.timeoutMs = options.timeout;
    this.print = new Printer(world.stdout, options.output, world.signal);
    this.#options = options;
  }

  /** Made on first use: `start` and `dev` need none. */
  get client(): IDunnoClient {
    this.#client ??= this.patient(apiLimits.timeoutMs);
    return this.#client;
  }

  /** A client for work that takes a node longer than most; `--timeout` still decides when it is given. */
  patient(timeoutMs: number): IDunnoClient {
    return new IDunnoClient({
      nodes: this.#nodes(),
      timeoutMs: this.timeoutMs ?? timeoutMs,
      patienceMs: this.timeoutMs ?? patienceMs,
      stale: this.#options.stale ?? false,
    });
  }

  /** Learns the other nodes, before work that is long enough for the one we know to die. */
  async learnNodes(): Promise<void> {
    await this.client.status({ signal: this.signal });
  }

  /** A sentence for people, on standard error. */
  note(text: string): void {
    this.world.stderr.write(`${text}\n`);
  }

  progress(): ProgressLine {
    const shown = isTerminal(this.world.stderr) && this.world.env["TERM"] !== "dumb";
    return new ProgressLine(this.world.stderr, shown);
  }

  /** A path on this machine, from the directory in which the command was given. */
  local(path: string): string {
    return resolve(this.world.directory, path);
  }

  #nodes(): readonly string[] {
    if (this.#options.node !== undefined) return this.#options.node;
    const named = this.world.env["IDUNNO_NODE"];
    if (named !== undefined && named !== "") return nodeList(named);
    const running = nodesOfDevCluster(this.local(".idunno"));
    return running.length > 0 ? running : [defaultNode];
  }
}

export function isTerminal(stream: object): boolean {
  return (stream as { isTTY?: boolean }).isTTY === true;
}

/** Gives each action its session. */
export type Open = (command: Command) => Session;
