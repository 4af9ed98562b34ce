/** Walking the log from its base: what each start of a node and each inspection of a stopped one does. */
import { LogIndex, type Term } from "../../lib/types.ts";
import { chainOf, decodeEntry, entryKey, indexOfKey, type StoredEntry } from "./entry-codec.ts";
import type { Database } from "./database.ts";
import type { LogPosition } from "./log-base.ts";

/**
 * Yields the entries after the base as long as they are contiguous, whole, linked by the chain, and of terms that
 * never fall. Returns what is wrong with the first one that is not; undefined: nothing is.
 */
export async function* walkLog(
  database: Database,
  base: LogPosition,
): AsyncGenerator<StoredEntry, string | undefined> {
  let { index, chain }: { index: number; chain: Uint8Array } = base;
  let term: Term = base.term;
  const first = entryKey(LogIndex(index + 1));
  for await (const [key, bytes] of database.iterator({ gte: first, lt: "f" })) {
    index += 1;
    const found = indexOfKey(key);
    if (found !== index) return `entry ${index}: missing, the next one is ${found}`;
    const stored = decodeEntry(index, bytes);
    if (typeof stored === "string") return `entry ${index}: ${stored}`;
    chain = new Uint8Array(chainOf(stored.entry, chain));
    if (Buffer.compare(chain, stored.chain) !== 0) return `entry ${index}: it breaks the chain`;
    if (stored.entry.term < term) return `entry ${index}: its term is lower than the one before`;
    ({ term } = stored.entry);
    yield { entry: stored.entry, chain };
  }
  return undefined;
}
