import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import { encodeConfiguration, simpleConfiguration } from "../../../src/raft/configuration.ts";
import {
  append,
  applyTo,
  closeWorld,
  openWorld,
  rowsOf,
  vote,
  writeOf,
} from "../../soak/stored-world.ts";

const three = ["n1", "n2", "n3"];

interface Stored {
  readonly directory: string;
  readonly rows: ReadonlyMap<string, string>;
}

/** A stopped node with 200 entries, the log after `base`. */
async function stored(
  t: { teardown: (f: () => Promise<void>) => void },
  founders: readonly string[],
  base: number,
): Promise<Stored> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-open-"));
  t.teardown(async () => rm(directory, { recursive: true }));
  const world = await openWorld(directory, founders);
  await world.logStore.write(writeOf([], { hardState: vote }));
  await append(world, founders, { from: 1, to: 200 });
  await world.logStore.compact(LogIndex(base), undefined);
  await world.logStore.trim();
  const rows = await rowsOf(world);
  await closeWorld(world);
  // Once more, so that what was written lies in tables.
  await closeWorld(await openWorld(directory, founders));
  return { directory, rows };
}

/** Flips a bit in the middle of a file of a folder. */
async function flip(folder: string, ending: string): Promise<void> {
  const name = (await readdir(folder)).find((each) => each.includes(ending)) ?? "";
  const bytes = await readFile(join(folder, name));
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 8;
  await writeFile(join(folder, name), bytes);
}

test("a damaged state is set aside and made anew from a log that begins at 1, also by a lone voter", async (t) => {
  const { directory, rows } = await stored(t, ["n1"], 0);
  await flip(join(directory, "state"), ".ldb");
  const world = await openWorld(directory, ["n1"]);
  t.deepEqual(world.recovered.damage, []);
  t.is(world.state.appliedIndex, 0);
  applyTo(world, 200);
  await world.state.settled();
  t.deepEqual(await rowsOf(world), rows);
  await closeWorld(world);
  t.true((await readdir(directory)).includes("state.damaged-1"));
});

test("a damaged state over a compacted log is damage: one of several waits for a snapshot", async (t) => {
  const { directory } = await stored(t, three, 150);
  await flip(join(directory, "state"), ".ldb");
  const world = await openWorld(directory, three);
  t.deepEqual(world.recovered.damage, [
    "the state is at 0, the log begins after 150",
    "the log ends at 0, the mark is at 200",
  ]);
  t.is(world.logStore.base.index, LogIndex(0));
  t.is(world.logStore.lastIndex, LogIndex(0));
  t.deepEqual(world.recovered.hardState, vote);
  await closeWorld(world);
});

test("a lone voter refuses it, names the folder, and touches nothing (O2)", async (t) => {
  const { directory } = await stored(t, ["n1"], 150);
  await flip(join(directory, "state"), ".ldb");
  const before = (await readdir(directory)).sort();
  for (const time of ["first", "second"])
    await t.throwsAsync(openWorld(directory, ["n1"]), { message: /\/state is damaged at/ }, time);
  t.deepEqual((await readdir(directory)).sort(), before);
});

test("who is alone is said by the last configuration, not by the founders", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "idunno-open-"));
  t.teardown(async () => rm(directory, { recursive: true }));
  const world = await openWorld(directory, three);
  const data = encodeConfiguration(simpleConfiguration([NodeId("n1")]));
  const at = { index: LogIndex(1), term: Term(1) };
  await world.logStore.write(writeOf([{ ...at, kind: "configuration", data }]));
  applyTo(world, 1);
  await closeWorld(world);
  await rm(join(directory, "mark"));
  await t.throwsAsync(openWorld(directory, three), { message: /the only voter/ });
});

test("a log that LevelDB cannot open is set aside; the state and the mark say what was", async (t) => {
  const { directory, rows } = await stored(t, three, 150);
  await writeFile(join(directory, "raft", "CURRENT"), "MANIFEST-999999\n");
  const world = await openWorld(directory, three);
  t.true(world.recovered.damage.length > 0);
  t.deepEqual(world.recovered.hardState, vote);
  t.is(world.logStore.base.index, LogIndex(200), "the log begins at the state");
  t.deepEqual(await rowsOf(world), rows);
  await closeWorld(world);
  const again = await openWorld(directory, three);
  t.true(again.recovered.damage.length > 0, "damage stays until it is healed");
  await again.logStore.healed();
  await closeWorld(again);
  const whole = await openWorld(directory, three);
  t.deepEqual(whole.recovered.damage, []);
  await closeWorld(whole);
});

test("a bad entry below the state costs nothing behind it (G1)", async (t) => {
  const { directory } = await stored(t, three, 0);
  await flip(join(directory, "raft"), ".ldb");
  const world = await openWorld(directory, three);
  t.true(world.recovered.damage.length > 0);
  t.is(world.logStore.lastIndex, LogIndex(200));
  t.is(world.state.appliedIndex, 200);
  await closeWorld(world);
  t.true((await readdir(directory)).includes("raft.damaged-1"));
});

test("a pointer that is damaged is refused by its name", async (t) => {
  const { directory } = await stored(t, three, 0);
  await writeFile(join(directory, "state.json"), '{"format":1,"folder":"state","crc":1}\n');
  await t.throwsAsync(openWorld(directory, three), { message: /state\.json is damaged/ });
});
