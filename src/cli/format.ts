/** Numbers as people read them, for tables and progress lines. Never for json, ndjson or csv, which carry them raw. */

const sizes = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `4.0 MiB` */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < sizes.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${sizes[unit] ?? ""}`;
}

/** `850 ms`, `12.3 s`, `4 m 05 s`, `2 h 10 m`, `3 d 04 h` */
export function humanDuration(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${two((seconds % 3_600) / 60)} m`;
  return `${Math.floor(seconds / 86_400)} d ${two((seconds % 86_400) / 3_600)} h`;
}

/** Anything before 2001-09-09 cannot be a wall clock: that log time counts from the start of the cluster. */
const firstWallClockMs = 1e12;

/** A date where log time began at the wall clock, else the time since the cluster began. */
export function humanLogTime(ms: number): string {
  if (ms < firstWallClockMs) return `+${humanDuration(ms)}`;
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `12.3/s` */
export function humanRate(perSecond: number): string {
  return `${perSecond.toFixed(perSecond < 100 ? 1 : 0)}/s`;
}

/** `42 %` */
export function humanShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `1 file`, `3 files` */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
