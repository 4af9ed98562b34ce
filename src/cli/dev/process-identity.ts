/**
 * Tells a process from a later one with the same number: by when it was started. Without it, `dev down` after a reboot
 * could kill a stranger.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoError } from "../../lib/errors.ts";

/** How often a dying process is looked at: it costs one read of /proc. */
const lookMs = 10;

/** When process `pid` was started, in a form only fit to be compared; undefined when there is none, or when it has wholly ended. */
export function processIdentity(pid: number): string | undefined {
  return process.platform === "linux" ? linuxIdentity(pid) : portableIdentity(pid);
}

function linuxIdentity(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (cause) {
    // ESRCH: it ended between open and read.
    if (["ENOENT", "ESRCH"].includes((cause as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw cause;
  }
  const start = startOf(stat);
  if (start === undefined) return undefined;
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot}/${start}`;
}

/**
 * When the process was started, in ticks since the boot, by its line in `/proc/PID/stat` (proc(5)).
 * @returns undefined once all of it has ended. A zombie that still has threads has not: they hold its ports and its
 * locks until the last of them is gone, which on a busy machine is some time after the first.
 */
export function startOf(stat: string): string | undefined {
  // After the command in parentheses, which may itself hold some, come state (3), num_threads (20) and starttime (22).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, threads, start] = [fields[0], fields[17], fields[19]];
  const isDead = state === "X" || (state === "Z" && Number(threads) <= 1);
  return isDead ? undefined : start;
}

function portableIdentity(pid: number): string | undefined {
  try {
    const [state, ...start] = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split(/\s+/);
    return state === undefined || state.startsWith("Z") ? undefined : start.join(" ");
  } catch (cause) {
    // ps exits with 1 when there is no such process.
    if ((cause as { status?: number }).status === 1) return undefined;
    throw cause;
  }
}

/** A process that we started, or that an earlier run of ours started. */
export interface KnownProcess {
  readonly pid: number;
  readonly identity: string;
}

export function isRunning({ pid, identity }: KnownProcess): boolean {
  return processIdentity(pid) === identity;
}

/** Sends a signal, if the process is still the one we know. @returns whether it was */
export function signalProcess(known: KnownProcess, signal: NodeJS.Signals): boolean {
  if (!isRunning(known)) return false;
  try {
    return process.kill(known.pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw cause;
  }
}

/** @throws TIMED_OUT when it has not ended within `withinMs` */
export async function untilEnded(
  known: KnownProcess,
  { withinMs, signal }: { readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (isRunning(known)) {
    if (performance.now() >= endMs)
      throw new IDunnoError("TIMED_OUT", {
        what: `the end of process ${known.pid}`,
        afterMs: withinMs,
      });
    await sleep(lookMs, undefined, signal === undefined ? {} : { signal });
  }
}
