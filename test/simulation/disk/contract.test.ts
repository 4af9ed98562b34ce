/** What the stores may expect of any disk, stated once, over the real one and over the simulated one. */
import { constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Database, type KeyRange, writeSynced } from "../../../src/node/stores/database.ts";
import type { Disk } from "../../../src/node/stores/disk.ts";
import { systemDisk } from "../../../src/node/stores/system-disk.ts";
import { drive, makeDisk } from "./support.ts";

type Statement = (t: ExecutionContext, disk: Disk, directory: string) => Promise<void>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** States it of both. */
function holds(title: string, statement: Statement): void {
  test(`${title}, on the real disk`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "idunno-contract-"));
    t.teardown(async () => rm(directory, { recursive: true }));
    await statement(t, systemDisk, directory);
  });
  test(`${title}, on the simulated disk`, async (t) => {
    const { disk, time } = makeDisk(7);
    await drive(time, statement(t, disk.attach(), "/data"));
  });
}

async function put(database: Database, keys: readonly string[]): Promise<void> {
  const operations = keys.map((key) => ({ type: "put", key, value: bytes(`of ${key}`) }) as const);
  await writeSynced(database, operations);
}

async function keysIn(database: Database, range: KeyRange = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of database.keys(range)) keys.push(key);
  return keys;
}

function textOf(row: Uint8Array | undefined): string | undefined {
  return row === undefined ? undefined : Buffer.from(row).toString();
}

holds(
  "a batch is there whole when its write returns, also when it is opened again",
  async (t, disk, directory) => {
    const path = join(directory, "rows");
    const first = await disk.openDatabase(path);
    t.is(first.location, path);
    await put(first, ["a", "b", "c"]);
    await writeSynced(first, [
      { type: "del", key: "b" },
      { type: "put", key: "a", value: bytes("new") },
      { type: "del", key: "absent" },
    ]);
    t.is(textOf(first.getSync("a")), "new");
    t.is(first.getSync("b"), undefined);
    await first.close();
    const again = await disk.openDatabase(path);
    t.deepEqual(await keysIn(again), ["a", "c"]);
    t.is(textOf(again.getSync("a")), "new");
    t.is(textOf(again.getSync("c")), "of c");
    await again.close();
  },
);

holds(
  "a batch keeps what it was given, whatever becomes of the buffer",
  async (t, disk, directory) => {
    const database = await disk.openDatabase(directory);
    const value = bytes("before");
    const batch = database.batch();
    batch.put("a", value);
    value.fill(0);
    await batch.write({ sync: true });
    t.is(textOf(database.getSync("a")), "before");
    await database.close();
  },
);

holds("ranges have their bounds and their direction", async (t, disk, directory) => {
  const database = await disk.openDatabase(directory);
  t.deepEqual(await keysIn(database), []);
  await put(database, ["b", "d", "a", "e", "c"]);
  const cases: readonly (readonly [KeyRange, string])[] = [
    [{}, "abcde"],
    [{ reverse: true }, "edcba"],
    [{ gt: "b" }, "cde"],
    [{ gte: "b", lt: "d" }, "bc"],
    [{ gte: "b", lt: "d", reverse: true }, "cb"],
    [{ gt: "b", reverse: true }, "edc"],
    [{ gte: "bb", lt: "cc" }, "c"],
    [{ lt: "a" }, ""],
    [{ gt: "e" }, ""],
    [{ gte: "0", lt: "a", reverse: true }, ""],
  ];
  for (const [range, keys] of cases)
    t.is((await keysIn(database, range)).join(""), keys, JSON.stringify(range));
  await database.close();
});

holds("keys are in the order of their UTF-8 bytes", async (t, disk, directory) => {
  const database = await disk.openDatabase(directory);
  const keys = ["z", "ß", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}", "a/\u{1f600}"];
  await put(database, keys);
  const ordered = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  t.deepEqual(await keysIn(database), ordered);
  t.deepEqual(await keysIn(database, { gt: "\uffff" }), ["\u{10000}", "\u{10ffff}"]);
  for (const key of keys) t.is(textOf(database.getSync(key)), `of ${key}`);
  await database.close();
});

holds("who iterates sees the rows as they were when he began", async (t, disk, directory) => {
  const database = await disk.openDatabase(directory);
  await put(database, ["a", "b", "c"]);
  const iterating = keysIn(database);
  const reading = database.iterator({ gte: "a" });
  await put(database, ["aa", "d"]);
  await writeSynced(database, [{ type: "del", key: "b" }]);
  t.deepEqual(await iterating, ["a", "b", "c"]);
  const rows: string[] = [];
  for await (const [key, value] of reading) rows.push(`${key}: ${textOf(value) ?? ""}`);
  t.deepEqual(rows, ["a: of a", "b: of b", "c: of c"]);
  t.deepEqual(await keysIn(database), ["a", "aa", "c", "d"]);
  await database.close();
});

holds("a snapshot keeps the rows of its moment until it is closed", async (t, disk, directory) => {
  const database = await disk.openDatabase(directory);
  await put(database, ["a", "b"]);
  const snapshot = database.snapshot();
  await writeSynced(database, [
    { type: "put", key: "a", value: bytes("later") },
    { type: "del", key: "b" },
    { type: "put", key: "c", value: bytes("c") },
  ]);
  t.is(textOf(database.getSync("a", { snapshot })), "of a");
  t.is(textOf(database.getSync("b", { snapshot })), "of b");
  t.is(database.getSync("c", { snapshot }), undefined);
  t.deepEqual(await keysIn(database, { snapshot, gt: "a" }), ["b"]);
  t.deepEqual(await keysIn(database, { snapshot, reverse: true }), ["b", "a"]);
  t.is(textOf(database.getSync("a")), "later");
  await snapshot.close();
  t.throws(() => database.getSync("a", { snapshot }), { code: "LEVEL_SNAPSHOT_NOT_OPEN" });
  await database.close();
});

holds(
  "many rows come in order, page by page, and a loop may be left",
  async (t, disk, directory) => {
    const database = await disk.openDatabase(directory);
    const keys = Array.from(
      { length: 3_000 },
      (_, i) => `k${String((i * 7) % 3_000).padStart(5, "0")}`,
    );
    for (let from = 0; from < keys.length; from += 500)
      await put(database, keys.slice(from, from + 500));
    t.deepEqual(await keysIn(database), keys.toSorted());
    t.deepEqual(await keysIn(database, { reverse: true }), keys.toSorted().reverse());
    for await (const [key] of database.iterator()) {
      t.is(key, "k00000");
      break;
    }
    await database.close();
  },
);

holds(
  "a database is open once, and takes nothing when it is closed",
  async (t, disk, directory) => {
    const path = join(directory, "rows");
    const database = await disk.openDatabase(path);
    await t.throwsAsync(disk.openDatabase(path), { code: "DIRECTORY_IN_USE" });
    const writing = put(database, ["a"]);
    await database.close();
    await t.notThrowsAsync(writing);
    t.throws(() => database.getSync("a"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    await t.throwsAsync(put(database, ["b"]), { code: "STORAGE_FAILED" });
    t.deepEqual(await disk.checkDatabase(path), { faults: [], unchecked: 0 });
    const again = await disk.openDatabase(path);
    t.deepEqual(await keysIn(again), ["a"]);
    await again.close();
    t.deepEqual((await disk.checkDatabase(join(directory, "absent"))).faults, []);
  },
);

holds(
  "a database moves with its directory, and goes with it",
  async (t, { files, ...disk }, directory) => {
    const path = join(directory, "rows");
    const database = await disk.openDatabase(path);
    await put(database, ["a"]);
    await database.close();
    await files.rename(path, join(directory, "aside"));
    const moved = await disk.openDatabase(join(directory, "aside"));
    const fresh = await disk.openDatabase(path);
    t.deepEqual(await keysIn(moved), ["a"]);
    t.deepEqual(await keysIn(fresh), []);
    await moved.close();
    await fresh.close();
    await files.rm(path, { recursive: true });
    t.deepEqual(await files.readdir(directory), ["aside"]);
  },
);

holds("what is absent is refused with ENOENT", async (t, { files }, directory) => {
  const absent = join(directory, "absent");
  const refused = { code: "ENOENT" };
  await t.throwsAsync(files.readFile(absent, "utf8"), refused);
  await t.throwsAsync(files.readdir(absent), refused);
  await t.throwsAsync(files.open(absent, "r"), refused);
  await t.throwsAsync(files.open(join(absent, "file"), "w"), refused);
  await t.throwsAsync(files.rename(absent, join(directory, "other")), refused);
  await t.throwsAsync(files.rm(absent, { recursive: true }), refused);
  await t.throwsAsync(files.access(absent), refused);
  await t.notThrowsAsync(files.rm(absent, { recursive: true, force: true }));
});

holds("a file is written, renamed over another, and deleted", async (t, { files }, directory) => {
  const folder = join(directory, "a", "b");
  await files.mkdir(folder, { recursive: true });
  await files.mkdir(folder, { recursive: true });
  const write = async (name: string, content: string): Promise<void> => {
    const file = await files.open(join(folder, name), "w");
    await file.writeFile(content);
    await file.sync();
    await file.close();
  };
  await write("one", "the first, which is longer");
  await write("one", "the second");
  await write("two", "another");
  t.is(await files.readFile(join(folder, "one"), "utf8"), "the second");
  await files.rename(join(folder, "two"), join(folder, "one"));
  t.is(await files.readFile(join(folder, "one"), "utf8"), "another");
  t.deepEqual(await files.readdir(folder), ["one"]);
  const listed = await files.open(folder, "r");
  await listed.sync();
  await listed.close();
  await files.access(join(folder, "one"));
  await files.rm(join(directory, "a"), { recursive: true });
  t.deepEqual(await files.readdir(directory), []);
});

holds("a file that is written in place keeps the rest", async (t, { files }, directory) => {
  const path = join(directory, "slots");
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC;
  const file = await files.open(path, flags, 0o644);
  await file.write(Buffer.from("--later"), 2, 5, 4);
  await file.close();
  const again = await files.open(path, flags, 0o644);
  await again.write(Buffer.from("soon"), 0, 4, 0);
  const read = Buffer.alloc(12, "-");
  await again.read(read, 1, 10, 0);
  t.is(read.toString(), "-soonlater--");
  await again.close();
  await t.throwsAsync(again.sync(), { code: "EBADF" });
});
