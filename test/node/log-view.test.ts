import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { openLogDirectory } from "../../src/node/log-view.ts";
import { entryKey } from "../../src/node/stores/entry-codec.ts";
import { establishIdentity, keepIdentity } from "../../src/node/stores/identity.ts";
import { openDatabase } from "../../src/node/stores/level.ts";
import { recoverLog } from "../../src/node/stores/log-recovery.ts";
import { LogStore } from "../../src/node/stores/log-store.ts";
import { MarkFile } from "../../src/node/stores/mark.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { systemDisk } from "../../src/node/stores/system-disk.ts";

/** The directory of a stopped node with ten entries. */
async function stopped(t: { teardown: (f: () => Promise<void>) => void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "idunno-view-"));
  t.teardown(async () => rm(path, { recursive: true }));
  const founders = [{ name: "n1", host: "127.0.0.1", port: 7001 }];
  const { identity } = await establishIdentity(path, "n1", founders, systemDisk);
  await keepIdentity(path, identity, systemDisk.files);
  const database = await openDatabase(join(path, "raft"));
  const mark = await MarkFile.open(path, systemDisk.files);
  const store = new LogStore(
    database,
    mark,
    await recoverLog(database, undefined, true, systemRuntime),
    systemRuntime,
  );
  const entries = Array.from({ length: 10 }, (_, i) => ({
    index: LogIndex(i + 1),
    term: Term(1),
    kind: "noop" as const,
    data: new Uint8Array(0),
  }));
  await store.write({
    write: 1,
    hardState: undefined,
    install: undefined,
    truncateFrom: undefined,
    entries,
  });
  await store.remark();
  await store.close();
  return path;
}

test("the log of a stopped node that was compacted begins after its base", async (t) => {
  const path = await stopped(t);
  const database = await openDatabase(join(path, "raft"));
  const mark = await MarkFile.open(path, systemDisk.files);
  const recovered = await recoverLog(database, mark.last, false, systemRuntime);
  const store = new LogStore(database, mark, recovered, systemRuntime);
  await store.compact(LogIndex(4), undefined);
  await store.trim();
  await store.close();
  t.deepEqual(await indexes(path), [5, 6, 7, 8, 9, 10]);
});

async function indexes(path: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { index } of openLogDirectory(path)) found.push(index);
  return found;
}

async function change(path: string, key: string, bit?: number): Promise<void> {
  const database = await openDatabase(join(path, "raft"));
  const bytes = database.getSync(key);
  if (bit === undefined || bytes === undefined) await database.del(key);
  else {
    bytes[bit] = (bytes[bit] ?? 0) ^ 1;
    await database.put(key, bytes);
  }
  await database.close();
}

test("the log of a stopped node is read from end to end, and again", async (t) => {
  const path = await stopped(t);
  t.deepEqual(await indexes(path), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  t.is((await indexes(path)).length, 10, "nothing was left open or changed");
});

test("a damaged, a missing and a lost last entry are named", async (t) => {
  const damaged = await stopped(t);
  await change(damaged, entryKey(7), 10);
  await t.throwsAsync(indexes(damaged), { message: /entry 7: the CRC does not match/ });
  const missing = await stopped(t);
  await change(missing, entryKey(4));
  await t.throwsAsync(indexes(missing), { message: /entry 4: missing, the next one is 5/ });
  const shorter = await stopped(t);
  await change(shorter, entryKey(10));
  await t.throwsAsync(indexes(shorter), { message: /the mark is at entry 10, the log ends at 9/ });
});
