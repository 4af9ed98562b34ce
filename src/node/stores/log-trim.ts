/** Deleting entries in batches that are small enough for the writes of the log to pass between them. */
import type { Runtime } from "../../lib/runtime.ts";
import { LogIndex } from "../../lib/types.ts";
import { nextTurn } from "../deadline.ts";
import { entryKey } from "./entry-codec.ts";
import { type Database, type Operation, writeSynced } from "./database.ts";

/** Entries to a batch: some 60 KB of keys, a millisecond of the disk. */
const trimBatch = 2_000;

/** Deletes the entries up to an index, the oldest first, so that what is left never has a hole. */
export async function deleteTo(
  database: Database,
  index: LogIndex,
  { runtime, signal }: { readonly runtime: Runtime; readonly signal?: AbortSignal },
): Promise<void> {
  const range = { gte: entryKey(0), lt: entryKey(LogIndex(index + 1)) };
  await deleteKeys(database, database.keys(range), { runtime, signal });
}

/** Deletes the entries from an index on, the newest first. */
export async function deleteFrom(
  database: Database,
  index: LogIndex,
  runtime: Runtime,
): Promise<void> {
  const range = { gte: entryKey(index), lt: "f", reverse: true };
  await deleteKeys(database, database.keys(range), { runtime, signal: undefined });
}

async function deleteKeys(
  database: Database,
  keys: AsyncIterable<string>,
  { runtime, signal }: { readonly runtime: Runtime; readonly signal: AbortSignal | undefined },
): Promise<void> {
  let operations: Operation[] = [];
  for await (const key of keys) {
    operations.push({ type: "del", key });
    if (operations.length < trimBatch) continue;
    await writeSynced(database, operations);
    operations = [];
    await nextTurn(runtime);
    if (signal?.aborted === true) return;
  }
  if (operations.length > 0) await writeSynced(database, operations);
}
