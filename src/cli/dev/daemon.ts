/** One daemon of a local cluster: started detached, its output in a file, watched until it is ready. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { IDunnoClient } from "../../client/client.ts";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import { isRunning, type KnownProcess, processIdentity } from "./process-identity.ts";
import { devHost, type DevNode } from "./state.ts";

/** What starts a daemon; `start` and its options are appended. Tests put another program here. */
export const idunnoCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("../main.js", import.meta.url)),
];

/** Between two looks at a starting daemon. */
const lookMs = 25;
/** For one answer of a daemon that is busy starting; it is asked again. */
const answerMs = 1_000;
/** Enough of a log to see why a daemon ended. */
const tailLines = 20;
/**
 * Threads of libuv's pool, for LevelDB's fsyncs and chunk files together. It can only be set before the process
 * starts: modules are loaded through the pool.
 */
const poolThreads = "16";

export interface StartDaemonOptions {
  readonly command: readonly string[];
  readonly directory: string;
  readonly node: DevNode;
  readonly slots: number;
  /** How it comes into a cluster; undefined for a node that has its data already. */
  readonly entry: DevEntry | undefined;
}

export type DevEntry =
  | { readonly kind: "bootstrap"; readonly nodes: readonly DevNode[] }
  /** `nodes` run already. */
  | { readonly kind: "join"; readonly nodes: readonly DevNode[] };

export interface StartedDaemon {
  readonly child: ChildProcess;
  readonly process: KnownProcess;
}

export function dataDirectory(directory: string, name: string): string {
  return join(directory, name, "data");
}

export function logFile(directory: string, name: string): string {
  return join(directory, name, "daemon.log");
}

export async function startDaemon(options: StartDaemonOptions): Promise<StartedDaemon> {
  const { command, directory, node, slots, entry } = options;
  const [program, ...before] = command;
  if (program === undefined) throw new TypeError("no command to start a daemon with");
  await mkdir(join(directory, node.name), { recursive: true });
  const log = await open(logFile(directory, node.name), "a");
  try {
    const flags = [
      ["--name", node.name],
      ["--data-dir", dataDirectory(directory, node.name)],
      ["--listen", `${devHost}:${node.peerPort}`],
      ["--http", `${devHost}:${node.httpPort}`],
      ["--slots", String(slots)],
      entry === undefined ? [] : entryFlags(entry),
    ].flat();
    const child = spawn(program, [...before, "start", ...flags], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      env: { UV_THREADPOOL_SIZE: poolThreads, ...process.env },
    });
    // A failed spawn has no pid and tells why in an event.
    const failure = new Promise<Error>((resolve) => child.once("error", resolve));
    child.unref();
    const identity = child.pid === undefined ? undefined : processIdentity(child.pid);
    if (child.pid === undefined)
      throw new IDunnoError(
        "INTERNAL",
        { message: `${program} could not be started` },
        { cause: await failure },
      );
    // Ended already: an identity that no process has.
    return { child, process: { pid: child.pid, identity: identity ?? "ended" } };
  } finally {
    await log.close();
  }
}

function entryFlags({ kind, nodes }: DevEntry): string[] {
  return kind === "bootstrap"
    ? ["--bootstrap", nodes.map(peerAddress).join(",")]
    : ["--join", nodes.map(({ httpPort }) => `${devHost}:${httpPort}`).join(",")];
}

function peerAddress({ name, peerPort }: DevNode): string {
  return `${name}=${devHost}:${peerPort}`;
}

/** Waits until the daemon says it is ready. @throws INTERNAL when it ended instead, TIMED_OUT, or the signal's reason */
export async function untilReady(
  node: DevNode,
  { withinMs, signal }: { readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const nodes = [`${devHost}:${node.httpPort}`];
  const client = new IDunnoClient({ nodes, timeoutMs: answerMs, patienceMs: 0 });
  const endMs = performance.now() + withinMs;
  for (;;) {
    if (node.process === undefined || !isRunning(node.process))
      throw new IDunnoError("INTERNAL", { message: `${node.name} ended while it was starting` });
    try {
      // Another node's answer would mean that our port went to somebody else.
      const status = await client.pinned().status({ signal });
      if (status.ready && status.node === node.name) return;
    } catch (error) {
      signal?.throwIfAborted();
      const notYet = (["UNREACHABLE", "TIMED_OUT", "NO_LEADER"] as const).some((code) =>
        hasCode(error, code),
      );
      if (!notYet) throw error;
    }
    if (performance.now() >= endMs)
      throw new IDunnoError("TIMED_OUT", { what: `the start of ${node.name}`, afterMs: withinMs });
    await sleep(lookMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** The last lines of a daemon's log; empty when it has none. */
export async function logTail(directory: string, name: string): Promise<string> {
  try {
    const text = await readFile(logFile(directory, name), "utf8");
    return text.trimEnd().split("\n").slice(-tailLines).join("\n");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw cause;
  }
}
