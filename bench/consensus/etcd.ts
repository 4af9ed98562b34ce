/**
 * Three members of etcd on loopback with their data beside IDunno's: with its defaults, which sync before they answer. It
 * is whatever `etcd` is on the PATH; nothing is installed.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { IDunnoError } from "../../src/lib/errors.ts";
import { parser, Type } from "../../src/lib/schema.ts";
import { until } from "../bench.ts";
import { freePorts } from "../ports.ts";
import { endAll } from "../children.ts";

/** Three members on a busy machine have elected by then. */
const readyMs = 30_000;
const host = "127.0.0.1";
const parseStatus = parser(
  Type.Object({
    header: Type.Object({ member_id: Type.String() }),
    leader: Type.Optional(Type.String()),
  }),
  "etcd's status",
);

interface Member {
  readonly process: ChildProcess;
  readonly port: number;
}

export class EtcdCluster implements AsyncDisposable {
  readonly #directory: string;
  readonly #members: Member[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `etcd Version: 3.4.23`, or undefined when there is none. */
  static async version(): Promise<string | undefined> {
    try {
      const { stdout } = await promisify(execFile)("etcd", ["--version"]);
      return stdout.split("\n", 1)[0];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  static async up(size: number, signal: AbortSignal): Promise<EtcdCluster> {
    const directory = await mkdtemp(join(tmpdir(), "idunno-bench-etcd-"));
    const cluster = new EtcdCluster(directory);
    try {
      await cluster.#start(size);
      await cluster.leader(signal);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(size: number): Promise<void> {
    const ports = await freePorts(2 * size);
    const peer = (n: number): string => `http://${host}:${ports[2 * n]}`;
    const members = Array.from({ length: size }, (_, n) => `m${n}=${peer(n)}`).join(",");
    for (let n = 0; n < size; n += 1) {
      const port = ports[2 * n + 1] ?? 0;
      const client = `http://${host}:${port}`;
      const data = join(this.#directory, `m${n}`);
      await mkdir(data, { mode: 0o700 });
      const log = await open(join(this.#directory, `m${n}.log`), "w");
      const flags = [
        ["--name", `m${n}`, "--data-dir", data],
        ["--listen-client-urls", client, "--advertise-client-urls", client],
        ["--listen-peer-urls", peer(n), "--initial-advertise-peer-urls", peer(n)],
        ["--initial-cluster", members, "--initial-cluster-state", "new"],
        ["--logger", "zap", "--log-level", "warn"],
      ].flat();
      const child = spawn("etcd", flags, { stdio: ["ignore", log.fd, log.fd] });
      await log.close();
      this.#members.push({ process: child, port });
    }
  }

  /** Waits until there is a leader. @returns its address for clients */
  async leader(signal: AbortSignal): Promise<{ readonly host: string; readonly port: number }> {
    const what = "a leader of etcd";
    return until({ what, withinMs: readyMs, everyMs: 50, signal }, async () => {
      for (const { port, process: child } of this.#members) {
        if (child.exitCode !== null)
          throw new IDunnoError("INTERNAL", { message: `etcd ended, with ${child.exitCode}` });
        if (await this.#leads(port, signal)) return { host, port };
      }
      return undefined;
    });
  }

  async #leads(port: number, signal: AbortSignal): Promise<boolean> {
    try {
      const url = `http://${host}:${port}/v3/maintenance/status`;
      const answer = await fetch(url, { method: "POST", body: "{}", signal });
      if (!answer.ok) return false;
      const { header, leader } = parseStatus(await answer.json());
      return leader === header.member_id;
    } catch (error) {
      // It is still starting.
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** Resident memory of each member, in bytes. */
  async residentBytes(): Promise<number[]> {
    return Promise.all(
      this.#members.map(async ({ process: { pid } }) => {
        const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
        return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1_024;
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAll(this.#members.map(({ process: child }) => child));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
