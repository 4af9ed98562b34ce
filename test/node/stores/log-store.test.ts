import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import { entryKey } from "../../../src/node/stores/entry-codec.ts";
import { openDatabase } from "../../../src/node/stores/level.ts";
import { recoverLog, type Recovered } from "../../../src/node/stores/log-recovery.ts";
import { LogStore } from "../../../src/node/stores/log-store.ts";
import { MarkFile } from "../../../src/node/stores/mark.ts";
import { systemRuntime } from "../../../src/node/system-runtime.ts";
import { systemDisk } from "../../../src/node/stores/system-disk.ts";
import type { Entry } from "../../../src/raft/types.ts";

async function directory(t: { teardown: (f: () => Promise<void>) => void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "idunno-log-"));
  t.teardown(async () => rm(path, { recursive: true }));
  return path;
}

async function open(
  path: string,
  isNew = false,
): Promise<{ store: LogStore; recovered: Recovered }> {
  const database = await openDatabase(join(path, "raft"));
  const mark = await MarkFile.open(path, systemDisk.files);
  let recovered: Recovered;
  try {
    recovered = await recoverLog(database, mark.last, isNew, systemRuntime);
  } catch (error) {
    await mark.close();
    await database.close();
    throw error;
  }
  return { store: new LogStore(database, mark, recovered, systemRuntime), recovered };
}

const entry = (index: number, term: number, text = `entry ${index}`): Entry => ({
  index: LogIndex(index),
  term: Term(term),
  kind: "command",
  data: new TextEncoder().encode(text),
});

const range = (from: number, to: number, term: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));

let writes = 0;
const write = (
  entries: Entry[],
  more: { vote?: string; term?: number; truncateFrom?: number } = {},
) => ({
  write: (writes += 1),
  hardState:
    more.term === undefined
      ? undefined
      : { term: Term(more.term), vote: more.vote === undefined ? undefined : NodeId(more.vote) },
  install: undefined,
  truncateFrom: more.truncateFrom === undefined ? undefined : LogIndex(more.truncateFrom),
  entries,
});

test("entries, term and vote survive a restart", async (t) => {
  const path = await directory(t);
  const { store } = await open(path, true);
  await store.write(write(range(1, 3, 1), { term: 1, vote: "n1" }));
  await store.write(write(range(4, 5, 2), { term: 2 }));
  await store.close();
  const again = await open(path);
  t.deepEqual(again.recovered.damage, []);
  t.is(again.recovered.lastIndex, LogIndex(5));
  t.is(again.recovered.lastTerm, Term(2));
  t.deepEqual(again.recovered.hardState, { term: Term(2), vote: undefined });
  t.deepEqual(
    again.store
      .read(LogIndex(1), LogIndex(5), 1e6)
      .map(({ data }) => new TextDecoder().decode(data)),
    [1, 2, 3, 4, 5].map((i) => `entry ${i}`),
  );
  await again.store.close();
});

test("a truncated tail is gone after a restart, and no damage is seen", async (t) => {
  const path = await directory(t);
  const { store } = await open(path, true);
  await store.write(write(range(1, 9, 1)));
  await store.remark();
  await store.write(write([entry(4, 2, "other")], { truncateFrom: 4, term: 2 }));
  await store.close();
  const again = await open(path);
  t.deepEqual(again.recovered.damage, []);
  t.is(again.recovered.lastIndex, LogIndex(4));
  t.is(again.recovered.lastTerm, Term(2));
  await again.store.close();
});

/** Deletes or changes one row behind the store's back, as LevelDB's silent skipping would. */
async function tamper(
  path: string,
  key: string,
  change?: (bytes: Uint8Array) => void,
): Promise<void> {
  const database = await openDatabase(join(path, "raft"));
  const bytes = database.getSync(key);
  if (change === undefined || bytes === undefined) await database.del(key);
  else {
    change(bytes);
    await database.put(key, bytes);
  }
  await database.close();
}

async function filled(path: string): Promise<void> {
  const { store } = await open(path, true);
  await store.write(write(range(1, 10, 1), { term: 3, vote: "n2" }));
  await store.remark();
  await store.close();
}

const damages: readonly (readonly [string, (path: string) => Promise<void>, number])[] = [
  ["a lost tail", async (path) => tamper(path, entryKey(10)), 9],
  ["a hole", async (path) => tamper(path, entryKey(4)), 3],
  [
    "a flipped bit in the data",
    async (path) => tamper(path, entryKey(7), (bytes) => void (bytes[35] = (bytes[35] ?? 0) ^ 1)),
    6,
  ],
  [
    "a flipped bit in the chain",
    async (path) => tamper(path, entryKey(7), (bytes) => void (bytes[15] = (bytes[15] ?? 0) ^ 4)),
    6,
  ],
  ["a missing mark", async (path) => rm(join(path, "mark")), 10],
];

for (const [what, harm, kept] of damages)
  test(`${what} is damage: the good prefix is kept, term and vote are not forgotten`, async (t) => {
    const path = await directory(t);
    await filled(path);
    await harm(path);
    const { store, recovered } = await open(path);
    t.is(recovered.damage.length > 0, true);
    t.is(recovered.lastIndex, LogIndex(kept));
    t.deepEqual(recovered.hardState, { term: Term(3), vote: NodeId("n2") });
    await store.close();
    const rest = await openDatabase(join(path, "raft"));
    t.is(rest.getSync(entryKey(kept + 1)), undefined, "what was not trusted is deleted");
    await rest.close();
  });

test("an entry that belongs to another history is found by the mark", async (t) => {
  const path = await directory(t);
  await filled(path);
  // The same log but for one entry, whole in itself: only the chain in the mark can tell.
  const mark = await readFile(join(path, "mark"));
  const other = await directory(t);
  const { store } = await open(other, true);
  await store.write(write([...range(1, 9, 1), entry(10, 1, "another")], { term: 3, vote: "n2" }));
  await store.close();
  await writeFile(join(other, "mark"), mark);
  const { store: again, recovered } = await open(other);
  t.is(recovered.lastIndex, LogIndex(9));
  t.true(recovered.damage[0]?.includes("not the one the mark names") ?? false);
  await again.close();
});

test("a term and vote lost by LevelDB come back from the mark", async (t) => {
  const path = await directory(t);
  await filled(path);
  await tamper(path, "h");
  const { store, recovered } = await open(path);
  t.deepEqual(recovered.hardState, { term: Term(3), vote: NodeId("n2") });
  await store.close();
});

test("two different votes in one term refuse to start", async (t) => {
  const path = await directory(t);
  await filled(path);
  const other = await directory(t);
  const { store } = await open(other, true);
  await store.write(write(range(1, 10, 1), { term: 3, vote: "n1" }));
  await store.remark();
  await store.close();
  await writeFile(join(path, "mark"), await readFile(join(other, "mark")));
  await t.throwsAsync(open(path), { message: /voted for n2, the mark for n1/ });
});

test("a torn write of the mark leaves the slot before it", async (t) => {
  const path = await directory(t);
  await filled(path);
  const before = await MarkFile.open(path, systemDisk.files);
  const last = before.last;
  t.truthy(last);
  if (last === undefined) return;
  await before.write({ ...last, hardState: { term: Term(9), vote: NodeId("n3") } });
  await before.close();
  const bytes = await readFile(join(path, "mark"));
  const slot = [0, 512].find((at) => bytes.readBigUInt64BE(at + 44) === 9n) ?? -1;
  t.true(slot >= 0);
  bytes.fill(0xee, slot + 100, slot + 200);
  await writeFile(join(path, "mark"), bytes);
  const after = await MarkFile.open(path, systemDisk.files);
  t.is(after.last?.hardState.term, Term(3));
  await after.close();
});

test("damage is not forgotten by a restart before it is healed", async (t) => {
  const path = await directory(t);
  const { store } = await open(path, true);
  await store.write(write(range(1, 10, 1)));
  await store.close();
  // The mark lags behind: what is lost above it is damage all the same, also after the loss was cleaned up.
  await tamper(path, entryKey(10), (bytes) => void (bytes[35] = (bytes[35] ?? 0) ^ 1));
  const first = await open(path);
  t.is(first.recovered.damage.length > 0, true);
  await first.store.close();
  const again = await open(path);
  t.is(again.recovered.damage.length > 0, true, "the second start knows of it");
  await again.store.healed();
  await again.store.close();
  const whole = await open(path);
  t.deepEqual(whole.recovered.damage, []);
  await whole.store.close();
});

test("a log that was deleted together with its mark is damage, not a new log", async (t) => {
  const path = await directory(t);
  await filled(path);
  await rm(join(path, "raft"), { recursive: true });
  await rm(join(path, "mark"));
  const { store, recovered } = await open(path);
  t.deepEqual(recovered.damage, ["the mark file is missing or unreadable"]);
  await store.close();
});

test("a second process cannot open the directory", async (t) => {
  const path = await directory(t);
  const { store } = await open(path, true);
  await t.throwsAsync(openDatabase(join(path, "raft")), {
    message: /is in use by another running node/,
  });
  await store.close();
  t.true((await readdir(path)).includes("mark"));
});
