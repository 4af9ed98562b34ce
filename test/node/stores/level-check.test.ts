import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { crc32c } from "../../../src/node/stores/crc32c.ts";
import { checkLevel } from "../../../src/node/stores/level-check.ts";
import { blockBytes, readRecords } from "../../../src/node/stores/level-records.ts";
import { checkTable } from "../../../src/node/stores/level-table.ts";
import { writeSynced } from "../../../src/node/stores/database.ts";
import { openDatabase } from "../../../src/node/stores/level.ts";

const root = await mkdtemp(join(tmpdir(), "idunno-level-"));
const stored = join(root, "stored");
test.after.always(async () => rm(root, { recursive: true }));

/** Tables and a log of several blocks. */
async function build(): Promise<void> {
  for (const round of [1, 2]) {
    const database = await openDatabase(stored);
    for (let i = 0; i < 300; i += 1)
      await writeSynced(database, [
        { type: "put", key: `row/${i}`, value: new Uint8Array(500).fill(i) },
        { type: "del", key: `row/${i + round}` },
      ]);
    await database.close();
  }
}
test.before(build);

let copies = 0;
async function copy(): Promise<string> {
  copies += 1;
  const path = join(root, `copy-${copies}`);
  await cp(stored, path, { recursive: true });
  return path;
}

async function namesOf(ending: RegExp): Promise<string[]> {
  return (await readdir(stored)).filter((name) => ending.test(name)).sort();
}

test("crc32c is Castagnoli's, at any length and offset", (t) => {
  t.is(crc32c(Buffer.from("123456789")), 0xe3069283);
  t.is(crc32c(Buffer.from("..123456789."), 2, 11), 0xe3069283);
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(0)), 0);
});

test("a database as LevelDB left it is whole, open or closed, new or absent", async (t) => {
  t.deepEqual(await checkLevel(stored), { faults: [], unchecked: 0 });
  t.deepEqual((await checkLevel(join(root, "absent"))).faults, []);
});

test("no bit of a table can change unseen, but the footer's padding", async (t) => {
  const [name = ""] = await namesOf(/\.ldb$/);
  const bytes = await readFile(join(stored, name));
  t.is(checkTable(bytes).compressedIndexes, 0, "indexes are readable: V2 reaches every block");
  const unseen: number[] = [];
  for (let at = 0; at < bytes.length; at += at > bytes.length - 600 ? 1 : 101) {
    bytes[at] = (bytes[at] ?? 0) ^ 16;
    try {
      checkTable(bytes);
      unseen.push(at - bytes.length);
    } catch {
      t.pass();
    }
    bytes[at] = (bytes[at] ?? 0) ^ 16;
  }
  t.true(
    unseen.every((at) => at >= -44 && at < -8),
    `unseen: ${unseen.join()}`,
  );
});

test("no bit of a log can change unseen; behind the first block's end it is damage, not a torn end", async (t) => {
  const [name = ""] = await namesOf(/\.log$/);
  const bytes = await readFile(join(stored, name));
  t.true(bytes.length > 3 * blockBytes);
  t.is(readRecords(bytes).fault, undefined);
  for (let at = 0; at < bytes.length; at += 997) {
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    const { fault } = readRecords(bytes);
    t.truthy(fault, `byte ${at}`);
    t.true((fault?.at ?? 0) <= at);
    if (at < bytes.length - 2 * blockBytes) t.is(fault?.kind, "bad");
    bytes[at] = (bytes[at] ?? 0) ^ 4;
  }
});

test("a newest log that was cut off is a prefix; one that is cut off before its last block is damage", async (t) => {
  const [name = ""] = await namesOf(/\.log$/);
  const path = await copy();
  const { length } = await readFile(join(path, name));
  await truncate(join(path, name), length - 10);
  t.deepEqual((await checkLevel(path)).faults, []);
  const bytes = await readFile(join(path, name));
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(join(path, name), bytes);
  t.regex((await checkLevel(path)).faults.join(), /byte 0: the CRC of a record does not match/);
});

test("a write that is missing between two logs is a gap (V3)", async (t) => {
  const [name = ""] = await namesOf(/\.log$/);
  const path = await copy();
  const bytes = await readFile(join(path, name));
  // The first block of the log vanishes, records and all: what is left is whole in itself.
  await writeFile(join(path, name), bytes.subarray(blockBytes));
  t.regex((await checkLevel(path)).faults.join(), /follows|out of place/);
});

for (const [what, pattern] of [
  ["table", /\.ldb$/],
  ["log", /\.log$/],
  ["MANIFEST", /^MANIFEST/],
  ["CURRENT", /^CURRENT$/],
] as const)
  test(`a missing ${what} is noticed (V1)`, async (t) => {
    const [name = ""] = await namesOf(pattern);
    const path = await copy();
    await rm(join(path, name));
    t.true((await checkLevel(path)).faults.length > 0);
  });

test("any bit of CURRENT and of the MANIFEST counts", async (t) => {
  for (const name of await namesOf(/^(?:CURRENT|MANIFEST.*)$/)) {
    const path = await copy();
    const bytes = await readFile(join(path, name));
    for (let at = 0; at < bytes.length; at += 3) {
      bytes[at] = (bytes[at] ?? 0) ^ 2;
      await writeFile(join(path, name), bytes);
      t.true((await checkLevel(path)).faults.length > 0, `${name}: byte ${at}`);
      bytes[at] = (bytes[at] ?? 0) ^ 2;
    }
  }
});
