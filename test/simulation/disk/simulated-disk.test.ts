import test from "ava";
import { type Database, writeSynced } from "../../../src/node/stores/database.ts";
import type { Disk } from "../../../src/node/stores/disk.ts";
import { syncDirectory, writeDurably } from "../../../src/node/stores/identity.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { drive, makeDisk } from "./support.ts";

const seeds = Array.from({ length: 60 }, (_, i) => i + 1);
const power = { power: true };
const kill = { power: false };

interface Bench {
  readonly disk: SimulatedDisk;
  readonly time: VirtualTime;
}

/** Runs a process on the disk to its end. */
async function process<T>({ disk, time }: Bench, run: (disk: Disk) => Promise<T>): Promise<T> {
  return (await drive(time, run(disk.attach()))) as T;
}

const rowOf = (i: number): string => `k${String(i).padStart(4, "0")}`;

/** Writes a row a batch. */
async function fill(database: Database, from: number, to: number, bytes = 8): Promise<void> {
  for (let i = from; i <= to; i += 1)
    await writeSynced(database, [{ type: "put", key: rowOf(i), value: new Uint8Array(bytes) }]);
}

async function keysOf(database: Database): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of database.keys()) keys.push(key);
  return keys;
}

async function reopened(bench: Bench, path = "/data/raft"): Promise<string[]> {
  return process(bench, async (disk) => keysOf(await disk.openDatabase(path)));
}

/** A synced directory with a database of so many rows. */
async function stored(seed: number, rows: number, bytes = 8): Promise<Bench> {
  const bench = makeDisk(seed);
  await process(bench, async (disk) => {
    const database = await disk.openDatabase("/data/raft");
    await syncDirectory("/data", disk.files);
    await fill(database, 1, rows, bytes);
  });
  return bench;
}

test("equal seeds give equal disks, call by call", async (t) => {
  const runs = await Promise.all(
    [1, 2].map(async () => {
      const bench = await stored(11, 40);
      const { disk, time } = bench;
      const database = await process(bench, async (attached) =>
        attached.openDatabase("/data/raft"),
      );
      void fill(database, 41, 60); // cut short
      await drive(time, new Promise(() => undefined), () => time.events > 55);
      disk.crash(power);
      return { keys: await reopened(bench), turns: time.events };
    }),
  );
  t.deepEqual(runs[0], runs[1]);
});

test("a synced batch outlasts every crash; one under way is there whole or not at all", async (t) => {
  const seen = new Set<number>();
  for (const seed of seeds) {
    const bench = await stored(seed, 5);
    const { disk, time } = bench;
    const database = await process(bench, async (attached) => attached.openDatabase("/data/raft"));
    const put = ["x", "y"].map((key) => ({ type: "put", key, value: new Uint8Array(1) }) as const);
    const turns = time.events;
    void writeSynced(database, put); // cut short
    await drive(time, Promise.resolve());
    t.is(time.events, turns);
    disk.crash(seed % 2 === 0 ? power : kill);
    const keys = await reopened(bench);
    seen.add(keys.length);
    t.true(keys.length === 5 || keys.length === 7, String(keys));
  }
  t.is(seen.size, 2);
});

test("batches that were not synced outlast their process, and of them power leaves a prefix", async (t) => {
  const lengths = new Set<number>();
  for (const seed of seeds) {
    const bench = await stored(seed, 1);
    await process(bench, async (disk) => {
      const database = await disk.openDatabase("/data/raft");
      for (let i = 2; i <= 6; i += 1)
        await database.batch().put(rowOf(i), new Uint8Array(1)).write({ sync: false });
    });
    bench.disk.crash(kill);
    if (seed % 2 === 0) bench.disk.crash(power);
    const keys = await reopened(bench);
    t.deepEqual(keys, [1, 2, 3, 4, 5, 6].slice(0, keys.length).map(rowOf));
    if (seed % 2 === 0) lengths.add(keys.length);
    else t.is(keys.length, 6);
  }
  t.true(lengths.size > 3);
});

test("nothing of a dead process settles or takes effect", async (t) => {
  const bench = makeDisk(1);
  const { disk, time } = bench;
  const dead = disk.attach();
  const database = await drive(time, dead.openDatabase("/data/raft"));
  let settled = 0;
  const count = (): void => void (settled += 1);
  dead.files.readdir("/data").then(count, count);
  const alive = disk.attach();
  dead.files.mkdir("/data/late", { recursive: true }).then(count, count);
  if (database !== undefined) fill(database, 1, 1).then(count, count);
  const again = await drive(time, alive.openDatabase("/data/raft"));
  t.deepEqual(await drive(time, alive.files.readdir("/data")), ["raft"]);
  t.deepEqual(again && (await drive(time, keysOf(again))), []);
  t.is(settled, 0);
});

test("a name outlasts a loss of power only once its directory is synced", async (t) => {
  const kept = { unsynced: 0, synced: 0 };
  for (const seed of seeds) {
    const bench = makeDisk(seed);
    await process(bench, async ({ files }) => {
      await writeDurably({ directory: "/data", name: "one" }, "1", files);
      const file = await files.open("/data/two", "w");
      await file.writeFile("2");
      await file.sync();
      await file.close();
    });
    bench.disk.crash(power);
    const names = await process(bench, async ({ files }) => files.readdir("/data"));
    if (names.includes("one")) kept.synced += 1;
    if (names.includes("two")) kept.unsynced += 1;
  }
  t.is(kept.synced, seeds.length);
  t.true(kept.unsynced > 0 && kept.unsynced < seeds.length);
});

test("a file written aside and renamed is the old one or the new one, at every point", async (t) => {
  const contents = new Set<string>();
  for (const seed of seeds)
    for (const turns of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const bench = makeDisk(seed);
      const { disk, time } = bench;
      const place = { directory: "/data", name: "pointer" };
      await process(bench, async ({ files }) => writeDurably(place, "old", files));
      const start = time.events;
      const writing = writeDurably(place, "new", disk.attach().files);
      await drive(time, writing, () => time.events >= start + turns);
      disk.crash(power);
      contents.add(
        await process(bench, async ({ files }) => files.readFile("/data/pointer", "utf8")),
      );
    }
  t.deepEqual([...contents].sort(), ["new", "old"]);
});

test("what is written without a sync is kept, dropped, torn or garbled, by sectors", async (t) => {
  const fates = new Set<string>();
  for (const seed of seeds) {
    const bench = makeDisk(seed);
    await process(bench, async ({ files }) => {
      await writeDurably({ directory: "/data", name: "file" }, "a".repeat(1_536), files);
      const file = await files.open("/data/file", 2);
      await file.write(Buffer.alloc(1_536, "b"), 0, 1_536, 0);
    });
    bench.disk.crash(power);
    const content = await process(bench, async ({ files }) => files.readFile("/data/file", "utf8"));
    const sectors = [0, 512, 1_024].map((at) => content.slice(at, at + 512));
    fates.add(sectors.map((text) => (/^(?:a{512}|b{512})$/.test(text) ? text[0] : "?")).join(""));
  }
  t.true(fates.has("aaa") && fates.has("bbb"));
  t.true([...fates].some((fate) => fate.includes("?")));
  t.true([...fates].some((fate) => fate.includes("a") && fate.includes("b")));
});

test("after a sync that failed nothing is written; what was to be lies in memory until the power fails", async (t) => {
  for (const fails of [kill, power]) {
    const bench = await stored(5, 3);
    await process(bench, async (disk) => {
      const database = await disk.openDatabase("/data/raft");
      bench.disk.failSyncs();
      await t.throwsAsync(fill(database, 4, 4), { code: "STORAGE_FAILED" });
      t.is(database.getSync(rowOf(4)), undefined);
      await t.throwsAsync(fill(database, 5, 5), { code: "STORAGE_FAILED" });
    });
    bench.disk.crash(fails);
    t.is((await reopened(bench)).length, fails.power ? 3 : 4);
  }
});

test("a file whose sync failed loses what it was to write, though the next sync succeeds", async (t) => {
  const bench = makeDisk(5);
  await process(bench, async ({ files }) => {
    await writeDurably({ directory: "/data", name: "file" }, "old", files);
    const file = await files.open("/data/file", 2);
    await file.write(Buffer.from("new"), 0, 3, 0);
    bench.disk.failSyncs();
    await t.throwsAsync(file.sync(), { code: "EIO" });
    await file.sync();
    t.is(await files.readFile("/data/file", "utf8"), "new");
  });
  bench.disk.crash(power);
  t.is(await process(bench, async ({ files }) => files.readFile("/data/file", "utf8")), "old");
});

test("a full disk refuses every write, until there is room", async (t) => {
  const bench = await stored(5, 3);
  await process(bench, async (disk) => {
    const database = await disk.openDatabase("/data/raft");
    bench.disk.fill();
    await t.throwsAsync(fill(database, 4, 4), { code: "STORAGE_FAILED" });
    await t.throwsAsync(disk.files.open("/data/new", "w"), { code: "ENOSPC" });
    await t.throwsAsync(disk.openDatabase("/data/other"), { code: "STORAGE_FAILED" });
    bench.disk.makeRoom();
    const other = await disk.openDatabase("/data/other");
    await t.notThrowsAsync(fill(other, 1, 1));
  });
  t.is((await reopened(bench)).length, 3);
});

test("a damaged batch is skipped without a word; the check sees it, but not in the last block", async (t) => {
  const checks = new Set<string>();
  for (const seed of seeds) {
    // 60 batches of 1 KB: two blocks.
    const bench = await stored(seed, 60, 1_000);
    bench.disk.crash(power);
    t.regex(bench.disk.corrupt("/data", "log-batch") ?? "", /^a batch of 1 at byte/);
    const { faults } = await process(bench, async (disk) => disk.checkDatabase("/data/raft"));
    const keys = await reopened(bench);
    t.true(keys.length < 60);
    const isPrefix = keys.every((key, i) => key === rowOf(i + 1));
    t.is(isPrefix, faults.length === 0, "only a missing end can go unseen");
    checks.add(faults.join());
    t.deepEqual(
      (await process(bench, async (disk) => disk.checkDatabase("/data/raft"))).faults,
      [],
    );
  }
  t.true(checks.has("") && checks.size > 2);
});

test("a batch that was written after a given one is spared", async (t) => {
  for (const seed of seeds) {
    const bench = await stored(seed, 60, 1_000);
    bench.disk.crash(power);
    t.is(bench.disk.corrupt("/data", "log-batch", "another key"), undefined);
    t.regex(bench.disk.corrupt("/data", "log-batch", rowOf(20)) ?? "", /^a batch of 1 at byte/);
    const keys = await reopened(bench);
    t.true(keys.findIndex((key, i) => key !== rowOf(i + 1)) < 20, "it is not among the later ones");
  }
});

test("a damaged table lacks rows, and the check says so", async (t) => {
  for (const seed of seeds.slice(0, 20)) {
    const bench = await stored(seed, 250);
    t.regex(bench.disk.corrupt("/data", "log-rows") ?? "", /^the block of k0/);
    const { faults } = await process(bench, async (disk) => disk.checkDatabase("/data/raft"));
    t.regex(faults.join(), /CRC/);
    const { length } = await reopened(bench);
    t.true(length < 250 && length >= 226);
  }
});

test("corruption reaches the mark and the pointer, and nothing where there is nothing", async (t) => {
  const bench = makeDisk(5);
  for (const target of ["log-batch", "log-rows", "state-rows", "mark", "state-pointer"] as const)
    t.is(bench.disk.corrupt("/data", target), undefined);
  const names = ["mark", "state.json"];
  await process(bench, async ({ files }) => {
    for (const name of names) await writeDurably({ directory: "/data", name }, "content", files);
  });
  t.regex(bench.disk.corrupt("/data", "mark") ?? "", /^a bit of mark/);
  t.regex(bench.disk.corrupt("/data", "state-pointer") ?? "", /^a bit of state.json/);
  bench.disk.crash(power);
  for (const name of names) {
    const path = `/data/${name}`;
    t.not(await process(bench, async ({ files }) => files.readFile(path, "utf8")), "content");
  }
});

test("an image is put back as it was; a wiped disk is empty", async (t) => {
  const bench = await stored(5, 3);
  const image = bench.disk.image();
  await process(bench, async (disk) => fill(await disk.openDatabase("/data/raft"), 4, 9));
  t.is((await reopened(bench)).length, 9);
  for (const _time of [1, 2]) {
    bench.disk.restore(image);
    bench.disk.crash(power);
    t.is((await reopened(bench)).length, 3);
    await process(bench, async (disk) => fill(await disk.openDatabase("/data/raft"), 4, 5));
  }
  bench.disk.wipe();
  t.deepEqual(await process(bench, async ({ files }) => files.readdir("/data")), []);
});

test("a slow disk takes so many times longer", async (t) => {
  const bench = makeDisk(5);
  bench.disk.faults.diskMs = [2, 2];
  const once = async (): Promise<number> => {
    const start = bench.time.now;
    await process(bench, async ({ files }) => files.readdir("/data"));
    return Math.round(bench.time.now - start);
  };
  const fast = await once();
  bench.disk.faults.slowFactor = 50;
  t.deepEqual([fast, await once()], [2, 100]);
});

test("a batch that was under way may leave a damaged record, if told to", async (t) => {
  const faulty = new Set<boolean>();
  for (const seed of seeds) {
    const bench = await stored(seed, 3);
    bench.disk.faults.tearsBatches = true;
    const database = await process(bench, async (disk) => disk.openDatabase("/data/raft"));
    void fill(database, 4, 4, 100_000); // cut short
    bench.disk.crash(power);
    const { faults } = await process(bench, async (disk) => disk.checkDatabase("/data/raft"));
    faulty.add(faults.length > 0);
    t.true([3, 4].includes((await reopened(bench)).length));
  }
  t.is(faulty.size, 2);
});
