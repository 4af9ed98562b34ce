/**
 * A local cluster as the benchmarks use it: real daemons in a temporary directory, one client for each node, and the
 * question that every trial begins with, whether all is well. It looks at them from outside, over HTTP, only.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DevCluster } from "../src/cli/dev/cluster.ts";
import { IDunnoClient } from "../src/client/client.ts";
import type { StatusView } from "../src/lib/api/cluster.ts";
import { hasCode, IDunnoError } from "../src/lib/errors.ts";
import type { ReadyModel } from "../tools/models/models.ts";
import { until } from "./bench.ts";
import type { ModelBytes } from "./model-variant.ts";

/** Directories of runs; the number of the process that made one follows. */
const prefix = "idunno-bench-";
/** Five daemons, started on a machine that may be busy. */
const readyMs = 60_000;
/** A restarted node has to load its log, dial its peers and catch up. */
const healthyMs = 60_000;
/**
 * Woken nodes still look well for a moment. Then they elect, within 900 ms when votes are split, and take each other
 * for down until they have heard of each other: all is well when it has been so for this long.
 */
const steadyMs = 1_000;
const lookEveryMs = 20;
/** It is copied and tried before it is added: tens of seconds for a large one on a busy machine. */
const addModelMs = 120_000;
/** Files of one commit: some megabytes at most, if each is small. */
const filesOfGroup = 250;
const putGroupMs = 120_000;
/** Puts at a time: small files cost round trips, not bandwidth. */
const putsAtOnce = 8;

interface Health {
  readonly leader: string;
  readonly term: number;
  /** No executor runs or holds anything. */
  readonly isIdle: boolean;
}

export class BenchCluster implements AsyncDisposable {
  readonly directory: string;
  readonly #dev: DevCluster;
  readonly #signal: AbortSignal;
  /** Boot ids seen when all was well: a restarted node must show another. */
  readonly #boots = new Map<string, string>();

  private constructor(dev: DevCluster, signal: AbortSignal) {
    this.directory = dev.directory;
    this.#dev = dev;
    this.#signal = signal;
  }

  static async up(options: {
    readonly nodes: number;
    readonly slots: number;
    readonly signal: AbortSignal;
  }): Promise<BenchCluster> {
    const directory = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
    try {
      const dev = await DevCluster.up({ ...options, directory, basePort: 0, readyMs });
      return new BenchCluster(dev, options.signal);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get names(): string[] {
    return this.#dev.nodes.map(({ name }) => name);
  }

  /** Of all nodes' HTTP servers. */
  get addresses(): string[] {
    return this.#dev.nodes.map(({ httpAddress }) => httpAddress);
  }

  /** Those whose process is there. */
  get running(): string[] {
    return this.#dev.nodes.filter(({ state }) => state === "running").map(({ name }) => name);
  }

  /**
   * A client of that node alone, with stale reads: it sees what that node sees. A new one each time, since a client
   * that has seen a status knows all nodes and may turn to another.
   */
  client(name: string): IDunnoClient {
    const node = this.#dev.nodes.find((each) => each.name === name);
    if (node === undefined)
      throw new IDunnoError("NOT_FOUND", { kind: "node", name, remedy: this.names.join(", ") });
    return new IDunnoClient({ nodes: [node.httpAddress], patienceMs: 0, stale: true });
  }

  /** A client that any node may serve, for what is not timed. Its reads are linearizable. */
  anyClient(timeoutMs = 30_000): IDunnoClient {
    return new IDunnoClient({ nodes: this.#dev.endpoints, timeoutMs });
  }

  /** Sends the signal before it returns; resolves when the process is gone, or at once when it survives the signal. */
  signalNode(name: string, signal: NodeJS.Signals): Promise<void> {
    return this.#dev.kill(name, signal);
  }

  /** Starts a node that was killed, and waits until all is well. */
  async restart(name: string): Promise<void> {
    await this.#dev.restart(name);
    await this.healthy([name]);
  }

  /** Brings everything back after a failed trial: stopped processes go on, dead ones are started. */
  async mend(): Promise<void> {
    for (const { name, state } of this.#dev.nodes)
      if (state === "running") await this.#dev.kill(name, "SIGCONT");
      else await this.#dev.restart(name);
    await this.healthy();
  }

  /**
   * Stops its daemons where they are, once executors have ended what they ran twice, until {@link wake}: at rest they take
   * no time from what is measured meanwhile. Executors with nothing to do take none anyway.
   */
  async rest(): Promise<void> {
    await this.#until("an idle cluster", async () => {
      const health = await this.#health();
      return health?.isIdle === true ? health : undefined;
    });
    for (const name of this.names) await this.signalNode(name, "SIGSTOP");
  }

  /** Lets its daemons go on, and waits until all is well again. Another node may lead then. */
  async wake(): Promise<void> {
    for (const name of this.names) await this.signalNode(name, "SIGCONT");
    let since = performance.now();
    let term: number | undefined;
    await this.#until("a cluster that stays healthy", async () => {
      const health = await this.#health();
      const now = performance.now();
      if (health === undefined || health.term !== term) since = now;
      term = health?.term;
      return now - since >= steadyMs ? health : undefined;
    });
  }

  /** Wakes it from its rest for so long. When that fails it is left awake: the benchmark ends then. */
  async awake<T>(act: () => Promise<T>): Promise<T> {
    await this.wake();
    const found = await act();
    await this.rest();
    return found;
  }

  /**
   * Waits until all nodes run, agree on a leader, list each other as up, and have applied all that it has committed.
   * @param restarted nodes whose new boot the leader must know
   */
  async healthy(restarted: readonly string[] = []): Promise<Health> {
    return this.#until("a healthy cluster", async () => this.#health(restarted));
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    return until({ what, withinMs: healthyMs, everyMs: lookEveryMs, signal: this.#signal }, look);
  }

  /** Unless all is well now. */
  async #health(restarted: readonly string[] = []): Promise<Health | undefined> {
    const views = await Promise.all(this.names.map(async (name) => this.#status(name)));
    const all = views.filter((view) => view !== undefined);
    const leader = all.find(({ role }) => role === "leader");
    if (leader === undefined || all.length < this.names.length) return undefined;
    const agree = all.every(
      (view) =>
        view.ready &&
        view.leader === leader.node &&
        view.term === leader.term &&
        view.appliedIndex >= leader.commitIndex &&
        view.executor.pid !== undefined,
    );
    const { members } = leader;
    const listed =
      members.length === all.length &&
      members.every(({ state }) => state === "up") &&
      members.every(
        ({ node, boot }) => !restarted.includes(node) || boot !== this.#boots.get(node),
      );
    if (!agree || !listed) return undefined;
    for (const { node, boot } of members) this.#boots.set(node, boot);
    const isIdle = all.every(({ executor }) => executor.running === 0 && executor.queued === 0);
    return { leader: leader.node, term: leader.term, isIdle };
  }

  async #status(name: string): Promise<StatusView | undefined> {
    try {
      return await this.client(name).status();
    } catch (error) {
      if (hasCode(error, "UNREACHABLE") || hasCode(error, "TIMED_OUT")) return undefined;
      throw error;
    }
  }

  async addModel({ manifest, onnxFile }: ReadyModel): Promise<void> {
    await this.addModelBytes({ manifest, bytes: await readFile(onnxFile) });
  }

  async addModelBytes({ manifest, bytes }: ModelBytes): Promise<void> {
    const client = this.anyClient(addModelMs);
    const open = (): ReadableStream<Uint8Array> => new Blob([bytes]).stream();
    const file = await client.putFile(`models/${manifest.name}.onnx`, { kind: "reopen", open });
    await client.addModel({ manifest, file: { path: file.path, version: file.version } });
  }

  /**
   * Puts the photos once under each of so many folders, `inputs/00/` and on: equal content, but inputs of their own.
   * @param from the first of them that is not there yet
   */
  async putInputs(photos: readonly string[], folders: number, from = 0): Promise<void> {
    const contents = await Promise.all(
      photos.map(async (path) => ({ name: basename(path), bytes: await readFile(path) })),
    );
    const work = Array.from({ length: Math.max(0, folders - from) }, (_, i) =>
      contents.map(({ name, bytes }) => ({ path: `${inputFolder(from + i)}${name}`, bytes })),
    ).flat();
    const queue = work.values();
    const lane = async (client: IDunnoClient): Promise<void> => {
      for (const { path, bytes } of queue) {
        this.#signal.throwIfAborted();
        const open = (): ReadableStream<Uint8Array> => new Blob([bytes]).stream();
        await client.putFile(path, { kind: "reopen", open });
      }
    };
    const lanes = Array.from({ length: putsAtOnce }, (_, i) =>
      lane(this.client(this.names[i % this.names.length] ?? "")),
    );
    await Promise.all(lanes);
  }

  /** Puts small files, many in one commit. */
  async putSmallFiles(
    files: readonly { readonly path: string; readonly local: string }[],
  ): Promise<void> {
    const client = this.anyClient(putGroupMs);
    for (let at = 0; at < files.length; at += filesOfGroup) {
      this.#signal.throwIfAborted();
      const group = files.slice(at, at + filesOfGroup).map(async ({ path, local }) => {
        const bytes = await readFile(local);
        return { path, bytes: bytes.length, read: async () => bytes };
      });
      await client.putFiles(await Promise.all(group));
    }
  }

  /** Keeps the daemons' logs where a person finds them. */
  async keepLogs(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true });
    for (const name of this.names)
      await cp(join(this.directory, name, "daemon.log"), join(directory, `${name}.log`));
  }

  /** Nothing here is worth a graceful end. SIGKILL, unlike others, ends daemons at rest too, and their executors go with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dev.down({ stopMs: 0, wipe: true });
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function inputFolder(number: number): string {
  return `inputs/${String(number).padStart(2, "0")}/`;
}

export function inputFolders(count: number): string[] {
  return Array.from({ length: count }, (_, i) => inputFolder(i));
}

/** Ends the daemons that a killed run left behind. */
export async function sweep(): Promise<void> {
  for (const entry of await readdir(tmpdir())) {
    const [, pid] = new RegExp(`^${prefix}(\\d+)-`).exec(entry) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const directory = join(tmpdir(), entry);
    try {
      await DevCluster.open({ directory }).down({ stopMs: 0, wipe: true });
    } catch (error) {
      // Killed before it had started anything.
      if (!hasCode(error, "NOT_FOUND")) throw error;
    }
    await rm(directory, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
