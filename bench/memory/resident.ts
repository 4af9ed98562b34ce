/** Resident memory of other processes, and what a series of samples comes to. */
import { readFile } from "node:fs/promises";
import { median } from "../statistics.ts";

/** One look at a node's two processes. */
export interface Sample {
  /** Since the first look. */
  readonly seconds: number;
  readonly queries: number;
  readonly daemonMiB: number;
  /** NaN while there is none: it is being replaced. */
  readonly executorMiB: number;
}

const kibOfMib = 1_024;

/** Of a process, as Linux counts it. NaN when it is gone. */
export async function residentMiB(pid: number): Promise<number> {
  try {
    return parseResident(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return NaN;
    throw error;
  }
}

/** The `VmRSS` line of `/proc/PID/status`; NaN without one, as of a process that has just ended. */
export function parseResident(status: string): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB$/m.exec(status) ?? [];
  return kib === undefined ? NaN : Number(kib) / kibOfMib;
}

/**
 * By how much the median of the last quarter of the samples lies above that of the quarter before: near 0 for what has
 * come to rest, and positive for what leaks. NaN with too few samples.
 */
export function growth(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  const quarter = Math.floor(known.length / 4);
  const last = median(known.slice(known.length - quarter));
  const before = median(known.slice(known.length - 2 * quarter, known.length - quarter));
  return quarter === 0 ? NaN : last / before - 1;
}
