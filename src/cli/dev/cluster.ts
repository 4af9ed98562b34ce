/**
 * A cluster of real daemons on this machine, for trying things out, demonstrations, tests and benchmarks. The daemons
 * are detached and outlive whoever started them; `dev.json` is how the next command finds them again.
 */
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import {
  dataDirectory,
  type DevEntry,
  idunnoCommand,
  logTail,
  startDaemon,
  untilReady,
} from "./daemon.ts";
import { freeBase, httpOffset } from "./ports.ts";
import { isRunning, type KnownProcess, signalProcess, untilEnded } from "./process-identity.ts";
import { devHost, type DevNode, type DevState, readDevState, writeDevState } from "./state.ts";

export interface DevClusterOptions {
  /** Holds dev.json and a folder for each node; default `.idunno`. */
  readonly directory?: string | undefined;
  /** Default 5, at most 99. A directory that holds a cluster has its number. */
  readonly nodes?: number | undefined;
  /** Default 7100: node n1 has peer port 7101 and HTTP port 7201. 0: any that are free. */
  readonly basePort?: number | undefined;
  /** Inference threads of each node, default 1. */
  readonly slots?: number | undefined;
  /** How long all nodes together may take to be ready; default 30,000. */
  readonly readyMs?: number | undefined;
  /** Starts a daemon; default this very program. */
  readonly command?: readonly string[] | undefined;
  /** Told what a person should know: other ports, the log of a node that failed. */
  readonly note?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A node as {@link DevCluster} shows it. */
export interface DevNodeView {
  readonly name: string;
  readonly state: "running" | "stopped";
  readonly pid: number | undefined;
  readonly peerAddress: string;
  readonly httpAddress: string;
}

export const devDefaults = {
  directory: ".idunno",
  nodes: 5,
  basePort: 7_100,
  slots: 1,
  /** Five daemons on two busy cores need a few seconds. */
  readyMs: 30_000,
} as const;

/** A daemon that was asked to stop drains first; after so long it is killed. */
const stopMs = 10_000;
/** The kernel ends a killed process at once, unless its disk hangs. */
const killMs = 5_000;
/** Signals after which a process goes on living. */
const survivable: ReadonlySet<NodeJS.Signals> = new Set(["SIGSTOP", "SIGCONT"]);

export class DevCluster implements AsyncDisposable {
  readonly directory: string;
  readonly #options: DevClusterOptions;
  #state: DevState;
  #saving: Promise<void> = Promise.resolve();

  private constructor(directory: string, state: DevState, options: DevClusterOptions) {
    this.directory = directory;
    this.#state = state;
    this.#options = options;
  }

  /**
   * Starts a new cluster, or the stopped one that the directory holds, and waits until every node is ready. What it
   * started it takes down again when that fails.
   * @throws CONFLICT it runs already; PORT_IN_USE; TIMED_OUT; INTERNAL a daemon ended
   */
  static async up(options: DevClusterOptions = {}): Promise<DevCluster> {
    const directory = resolve(options.directory ?? devDefaults.directory);
    const before = readDevState(directory);
    const state = before ?? (await plan(options));
    if (before !== undefined) mayContinue(directory, before, options);
    const cluster = new DevCluster(directory, state, options);
    await mkdir(directory, { recursive: true });
    try {
      const { nodes } = state;
      await cluster.#startAll(before === undefined ? { kind: "bootstrap", nodes } : undefined);
    } catch (error) {
      await cluster.#explain(error);
      await cluster.down({ stopMs: 0, wipe: false });
      // Half a beginning is no cluster; the logs stay to be read.
      if (before === undefined) {
        for (const { name } of state.nodes)
          await rm(dataDirectory(directory, name), { recursive: true, force: true });
        await rm(join(directory, "dev.json"), { force: true });
      }
      throw error;
    }
    return cluster;
  }

  /** The cluster of a directory, running or not. @throws NOT_FOUND */
  static open(options: DevClusterOptions = {}): DevCluster {
    const directory = resolve(options.directory ?? devDefaults.directory);
    const state = readDevState(directory);
    if (state === undefined)
      throw new IDunnoError("NOT_FOUND", {
        kind: "dev cluster in",
        name: directory,
        remedy: "start one with 'idunno dev up'",
      });
    return new DevCluster(directory, state, options);
  }

  get nodes(): DevNodeView[] {
    return this.#state.nodes.map((node) => {
      const running = node.process !== undefined && isRunning(node.process);
      return {
        name: node.name,
        state: running ? "running" : "stopped",
        pid: running ? node.process?.pid : undefined,
        peerAddress: `${devHost}:${node.peerPort}`,
        httpAddress: `${devHost}:${node.httpPort}`,
      };
    });
  }

  /** HTTP addresses of the nodes that run: what a client is given. */
  get endpoints(): string[] {
    return this.nodes
      .filter(({ state }) => state === "running")
      .map(({ httpAddress }) => httpAddress);
  }

  /** Sends a signal, SIGKILL by default, and waits for the end of the process unless it survives that signal. */
  async kill(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { process } = this.#node(name);
    if (process === undefined || !signalProcess(process, signal))
      throw new IDunnoError("CONFLICT", { what: name, why: "it is not running" });
    if (!survivable.has(signal)) await untilEnded(process, { withinMs: stopMs });
  }

  /** Stops the node if it runs, starts it on the data it has, and waits until it is ready. */
  async restart(name: string): Promise<void> {
    const { process } = this.#node(name);
    if (process !== undefined) await stop(process, stopMs);
    await this.#start(this.#node(name), undefined);
    await this.#save();
    await this.#untilReady(name);
  }

  /**
   * Starts one more node, which joins the cluster, and waits until it is ready.
   * @returns its name
   * @throws CONFLICT when nobody runs whom it could join
   */
  async add(): Promise<string> {
    const running = this.#state.nodes.filter(
      ({ process }) => process !== undefined && isRunning(process),
    );
    if (running.length === 0)
      throw new IDunnoError("CONFLICT", {
        what: `the dev cluster in ${this.directory}`,
        why: "none of its nodes runs, so there is nothing to join; 'idunno dev up' starts them",
      });
    const node = await planOneMore(this.#state.nodes);
    this.#state = { ...this.#state, nodes: [...this.#state.nodes, node] };
    await this.#start(node, { kind: "join", nodes: running });
    await this.#save();
    await this.#untilReady(node.name);
    return node.name;
  }

  async #untilReady(name: string): Promise<void> {
    try {
      const { readyMs: withinMs = devDefaults.readyMs, signal } = this.#options;
      await untilReady(this.#node(name), { withinMs, signal });
    } catch (error) {
      await this.#explain(error);
      throw error;
    }
  }

  /**
   * Stops every node, gracefully for `stopMs` and then not. The data stay, and `up` goes on with them, unless `wipe`.
   */
  async down(options: { readonly stopMs?: number; readonly wipe?: boolean } = {}): Promise<void> {
    const running = this.#state.nodes.flatMap(({ process }) => process ?? []);
    await Promise.all(running.map(async (known) => stop(known, options.stopMs ?? stopMs)));
    if (options.wipe !== true) return;
    for (const { name } of this.#state.nodes)
      await rm(join(this.directory, name), { recursive: true, force: true });
    await rm(join(this.directory, "dev.json"), { force: true });
  }

  /** {@link down}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #startAll(entry: DevEntry | undefined): Promise<void> {
    const { readyMs = devDefaults.readyMs, signal } = this.#options;
    for (const node of this.#state.nodes) {
      signal?.throwIfAborted();
      await this.#start(node, entry);
      // After each one, so that even a killed `dev up` leaves nothing that `dev down` cannot find.
      await this.#save();
    }
    // All at once: a follower is ready only when a majority runs. One failure ends the other waits.
    const failed = new AbortController();
    const either = AbortSignal.any([failed.signal, ...(signal === undefined ? [] : [signal])]);
    await Promise.all(
      this.#state.nodes.map(async (node) => {
        try {
          await untilReady(node, { withinMs: readyMs, signal: either });
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }),
    );
  }

  async #start(node: DevNode, entry: DevEntry | undefined): Promise<void> {
    const { process } = await startDaemon({
      command: this.#options.command ?? idunnoCommand,
      directory: this.directory,
      node,
      slots: this.#state.slots,
      entry,
    });
    const nodes = this.#state.nodes.map((other) =>
      other.name === node.name ? { ...other, process } : other,
    );
    this.#state = { ...this.#state, nodes };
  }

  async #save(): Promise<void> {
    // Nodes may be restarted at the same time: one write after the other, each of the newest state.
    const before = this.#saving;
    this.#saving = (async () => {
      // Whoever asked for it hears of a failed write.
      await before.catch(() => undefined);
      await writeDevState(this.directory, this.#state);
    })();
    await this.#saving;
  }

  /** Shows the logs of the nodes that ended, or of all when none did. */
  async #explain(error: unknown): Promise<void> {
    if (!hasCode(error, "INTERNAL") && !hasCode(error, "TIMED_OUT")) return;
    const ended = this.nodes.filter(({ state }) => state === "stopped");
    for (const { name } of ended.length > 0 ? ended : this.nodes) {
      const tail = await logTail(this.directory, name);
      this.#options.note?.(`--- the log of ${name} ends with\n${tail === "" ? "(nothing)" : tail}`);
    }
  }

  #node(name: string): DevNode {
    const node = this.#state.nodes.find((other) => other.name === name);
    if (node === undefined)
      throw new IDunnoError("NOT_FOUND", {
        kind: "node",
        name,
        remedy: `there are ${this.#state.nodes.map((other) => other.name).join(", ")}`,
      });
    return node;
  }
}

async function plan(options: DevClusterOptions): Promise<DevState> {
  const { nodes = devDefaults.nodes, basePort = devDefaults.basePort } = options;
  const base = await freeBase(basePort, nodes);
  if (basePort !== 0 && base !== basePort)
    options.note?.(`ports from ${basePort} on are taken: using ${base}`);
  return {
    format: 1,
    slots: options.slots ?? devDefaults.slots,
    nodes: Array.from({ length: nodes }, (_, i) => ({
      name: `n${i + 1}`,
      peerPort: base + i + 1,
      httpPort: base + httpOffset + i + 1,
    })),
  };
}

/** A name and ports after everybody's. */
async function planOneMore(nodes: readonly DevNode[]): Promise<DevNode> {
  const numbers = nodes.map(({ name }) => Number(/^n(\d+)$/.exec(name)?.[1] ?? 0));
  const number = Math.max(...numbers) + 1;
  // A range of its own: those after the others' may be taken by now.
  const base = await freeBase(Math.min(...nodes.map(({ peerPort }) => peerPort)) + 199, 1);
  return { name: `n${number}`, peerPort: base + 1, httpPort: base + httpOffset + 1 };
}

function mayContinue(directory: string, state: DevState, options: DevClusterOptions): void {
  const what = `the dev cluster in ${directory}`;
  if (state.nodes.some(({ process }) => process !== undefined && isRunning(process)))
    throw new IDunnoError("CONFLICT", {
      what,
      why: "it is running already; see 'idunno dev ls', or stop it with 'idunno dev down'",
    });
  if (options.nodes !== undefined && options.nodes !== state.nodes.length)
    throw new IDunnoError("CONFLICT", {
      what,
      why: `it has ${state.nodes.length} nodes; take another --dir, or remove it with 'idunno dev down --wipe'`,
    });
  options.note?.(`going on with the ${state.nodes.length} nodes in ${directory}`);
}

/** Asks a process to end, and kills it when it has not within `graceMs`. */
async function stop(known: KnownProcess, graceMs: number): Promise<void> {
  if (graceMs > 0 && signalProcess(known, "SIGTERM")) {
    // A stopped process would not see the signal.
    signalProcess(known, "SIGCONT");
    try {
      return await untilEnded(known, { withinMs: graceMs });
    } catch (error) {
      if (!hasCode(error, "TIMED_OUT")) throw error;
    }
  }
  if (signalProcess(known, "SIGKILL")) await untilEnded(known, { withinMs: killMs });
}
