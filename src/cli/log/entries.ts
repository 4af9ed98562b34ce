/** Where log entries come from: a running node's own log over HTTP, or a stopped node's directory. */
import type { IDunnoClient } from "../../client/client.ts";
import type { LogEntryView } from "../../lib/api/files.ts";
import { apiLimits } from "../../lib/api/routes.ts";

export interface Range {
  /** Default: the first that there is. */
  readonly from?: number | undefined;
  /** How many at most; default: all. */
  readonly limit?: number | undefined;
}

/** The entries of one node, in pages; ends at what was the last entry when it began. */
export async function* entriesOfNode(
  node: IDunnoClient,
  { from, limit = Number.POSITIVE_INFINITY }: Range,
  signal: AbortSignal,
): AsyncGenerator<LogEntryView> {
  // A page of nothing tells where the log begins and ends.
  const bounds = await node.log({ limit: 1 }, { signal });
  let next = Math.max(from ?? bounds.firstIndex, bounds.firstIndex);
  let left = limit;
  while (next <= bounds.lastIndex && left > 0) {
    const page = await node.log(
      { from: next, limit: Math.min(apiLimits.pageRows, left) },
      { signal },
    );
    for (const entry of page.entries) {
      if (left === 0 || entry.index > bounds.lastIndex) return;
      left -= 1;
      yield entry;
    }
    const last = page.entries.at(-1);
    if (last === undefined) return;
    next = last.index + 1;
  }
}

export async function* withinRange(
  entries: AsyncIterable<LogEntryView>,
  { from = 0, limit = Number.POSITIVE_INFINITY }: Range,
): AsyncGenerator<LogEntryView> {
  let left = limit;
  for await (const entry of entries) {
    if (entry.index < from) continue;
    if (left === 0) return;
    left -= 1;
    yield entry;
  }
}

/** The last `count` entries of a stream. */
export async function lastOf(
  entries: AsyncIterable<LogEntryView>,
  count: number,
): Promise<LogEntryView[]> {
  const kept: LogEntryView[] = [];
  for await (const entry of entries) {
    kept.push(entry);
    if (kept.length > count) kept.shift();
  }
  return kept;
}
