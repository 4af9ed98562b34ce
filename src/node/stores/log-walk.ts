/** Walking the log from its first entry: what each start of a node and each inspection of a stopped one does. */
import type { Term } from "../../lib/types.ts";
import {
  chainOf,
  chainStart,
  decodeEntry,
  entryKey,
  indexOfKey,
  type StoredEntry,
} from "./entry-codec.ts";
import type { Database } from "./level.ts";

/**
 * Yields the entries from 1 on as long as they are contiguous, whole, linked by the chain, and of terms that never
 * fall. Returns what is wrong with the first one that is not; undefined: nothing is.
 */
export async function* walkLog(
  database: Database,
): AsyncGenerator<StoredEntry, string | undefined> {
  let index = 0;
  let term: Term | undefined;
  let chain = chainStart;
  for await (const [key, bytes] of database.iterator({ gte: entryKey(0), lt: "f" })) {
    index += 1;
    const found = indexOfKey(key);
    if (found !== index) return `entry ${index}: missing, the next one is ${found}`;
    const stored = decodeEntry(index, bytes);
    if (typeof stored === "string") return `entry ${index}: ${stored}`;
    chain = new Uint8Array(chainOf(stored.entry, chain));
    if (Buffer.compare(chain, stored.chain) !== 0) return `entry ${index}: it breaks the chain`;
    if (term !== undefined && stored.entry.term < term)
      return `entry ${index}: its term is lower than the one before`;
    ({ term } = stored.entry);
    yield { entry: stored.entry, chain };
  }
  return undefined;
}
