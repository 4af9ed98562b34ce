/**
 * A log's database whose files are damaged is not written on: the damage would stay in it, and a part of LevelDB's own
 * structure may mislead every later read. What was found good goes into a new one, which takes its place.
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../../lib/types.ts";
import { encodeEntry, entryKey } from "./entry-codec.ts";
import { syncDirectory } from "./identity.ts";
import { type Database, openDatabase, type Operation, writeSynced } from "./level.ts";
import { type Recovered, settleLog } from "./log-recovery.ts";
import { walkLog } from "./log-walk.ts";
import { setAside } from "./state-folders.ts";

/** Entries to a batch. */
const copyBatch = 1_000;

/**
 * Closes a damaged database, sets it aside and opens the new one. Cut short, either the old one is still there, or none:
 * then the log begins at the state, and the mark knows that it is damaged.
 */
export async function salvageLog(
  directory: string,
  old: Database,
  recovered: Recovered,
): Promise<{ readonly database: Database; readonly aside: string }> {
  const aside = join(directory, "raft.new");
  await rm(aside, { recursive: true, force: true });
  const fresh = await openDatabase(aside);
  try {
    await settleLog(fresh, { ...recovered, isRebased: true });
    await copyEntries(old, fresh, recovered);
  } finally {
    await fresh.close();
    await old.close();
  }
  const name = await setAside(directory, "raft");
  await rename(aside, join(directory, "raft"));
  await syncDirectory(directory);
  return { database: await openDatabase(join(directory, "raft")), aside: name };
}

async function copyEntries(old: Database, fresh: Database, recovered: Recovered): Promise<void> {
  const { base, lastIndex } = recovered;
  let operations: Operation[] = [];
  let { index, chain } = base;
  const entries = walkLog(old, base);
  // Not one entry further than is wanted: what follows may be what LevelDB cannot read.
  while (index < lastIndex) {
    const next = await entries.next();
    assert(next.done !== true, "what was walked over once can be walked over again");
    const { entry } = next.value;
    ({ index } = entry);
    const encoded = encodeEntry(entry, chain);
    ({ chain } = encoded);
    operations.push({ type: "put", key: entryKey(entry.index), value: encoded.bytes });
    if (operations.length < copyBatch) continue;
    await writeSynced(fresh, operations);
    operations = [];
  }
  await entries.return(undefined);
  if (operations.length > 0) await writeSynced(fresh, operations);
}
