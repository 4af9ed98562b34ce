import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { IDunnoError } from "../../../src/lib/errors.ts";
import { LogIndex, NodeId } from "../../../src/lib/types.ts";
import { cutAt, defaultCompaction } from "../../../src/node/snapshots/compactor.ts";
import { sourceLimits } from "../../../src/node/snapshots/snapshot-source.ts";
import { LogSizes } from "../../../src/node/stores/log-sizes.ts";
import { append, closeWorld, Healthy, openWorld, rowsOf } from "../../soak/stored-world.ts";

const founders = ["n1", "n2", "n3"];
const from = NodeId("n2");
const { signal } = new AbortController();

async function worlds(t: { teardown: (f: () => Promise<void>) => void }) {
  const root = await mkdtemp(join(tmpdir(), "idunno-snapshots-"));
  t.teardown(async () => rm(root, { recursive: true }));
  const peer = await openWorld(join(root, "peer"), founders);
  await append(peer, founders, { from: 1, to: 2_400 });
  return { healthy: new Healthy(peer), directory: join(root, "node") };
}

test("a transfer that breaks twice goes on where it broke, chunk by chunk", async (t) => {
  const { healthy, directory } = await worlds(t);
  const world = await openWorld(directory, founders);
  let asked = 0;
  const fetcher = healthy.fetcher(world.stage, () => {
    asked += 1;
    return asked === 2 || asked === 4;
  });
  const { position, database } = await fetcher.fetch({ from, atLeast: LogIndex(1) }, signal);
  t.is(position.index, LogIndex(2_400));
  t.like(fetcher.counts, { begun: 1, resumed: 2 });
  t.true(fetcher.counts.chunks >= 3);
  t.is(asked, fetcher.counts.chunks + 2, "each chunk was sent once, but for what broke");
  let rows = 0;
  for await (const _key of database.keys()) rows += 1;
  t.is(rows, (await rowsOf(healthy.world)).size);
  await database.close();
  await closeWorld(world);
  await healthy.close();
});

test("a restart of the receiver goes on after the last whole chunk", async (t) => {
  const { healthy, directory } = await worlds(t);
  let world = await openWorld(directory, founders);
  const stop = new AbortController();
  let asked = 0;
  const stopping = healthy.fetcher(world.stage, () => {
    asked += 1;
    if (asked > 2) stop.abort();
    return asked > 2;
  });
  await t.throwsAsync(stopping.fetch({ from, atLeast: LogIndex(1) }, stop.signal));
  await closeWorld(world);
  world = await openWorld(directory, founders);
  t.is(world.stage.progress?.index, 2_400);
  const fetcher = healthy.fetcher(world.stage);
  const { position, database } = await fetcher.fetch({ from, atLeast: LogIndex(1) }, signal);
  t.is(position.index, LogIndex(2_400));
  t.like(fetcher.counts, { begun: 0, resumed: 1 });
  await database.close();
  await closeWorld(world);
  await healthy.close();
});

test("a snapshot that its sender has given up is begun anew", async (t) => {
  const { healthy, directory } = await worlds(t);
  const world = await openWorld(directory, founders);
  let asked = 0;
  const fetcher = healthy.fetcher(world.stage, () => {
    asked += 1;
    if (asked === 2)
      throw new IDunnoError("NOT_FOUND", { kind: "snapshot", name: "x", remedy: "ask" });
    return false;
  });
  const { database } = await fetcher.fetch({ from, atLeast: LogIndex(1) }, signal);
  t.is(fetcher.counts.begun, 2);
  await database.close();
  await closeWorld(world);
  await healthy.close();
});

test("what a stage left is one folder at most, and never taken for the state", async (t) => {
  const { healthy, directory } = await worlds(t);
  const world = await openWorld(directory, founders);
  await healthy.install(world);
  t.is(world.state.appliedIndex, 2_400);
  await closeWorld(world);
  const again = await openWorld(directory, founders);
  t.deepEqual(again.recovered.damage, []);
  t.is(again.logStore.base.index, LogIndex(2_400));
  t.deepEqual((await readdir(directory)).filter((name) => name.startsWith("state")).sort(), [
    "state-2",
    "state.json",
  ]);
  await closeWorld(again);
  await healthy.close();
});

test("readers share a snapshot; one that is unknown or not begun is refused", async (t) => {
  const { healthy } = await worlds(t);
  const { source } = healthy;
  const a = await source.chunk({ snapshot: "", after: "" });
  const b = await source.chunk({ snapshot: "", after: "" });
  t.is(a.head.snapshot, b.head.snapshot);
  t.is(source.oldestIndex, 2_400);
  for (const wrong of [
    { snapshot: "absent", after: "" },
    { snapshot: a.head.snapshot, after: "file/00001x" },
  ])
    await t.throwsAsync(source.chunk(wrong), { message: /no snapshot/ });
  t.true(sourceLimits.open >= 2);
  await healthy.close();
  t.is(source.oldestIndex, undefined);
});

test("the log is cut when it is long enough to be worth it, and never above what is still wanted", (t) => {
  const sizes = new LogSizes();
  for (let index = 1; index <= 61_000; index += 1) sizes.add(LogIndex(index), 100);
  const log = { baseIndex: LogIndex(0), lastIndex: LogIndex(61_000), sizes };
  const cut = (durableIndex: number, oldestSnapshot?: number, lastIndex = 61_000) =>
    cutAt(
      { ...log, lastIndex: LogIndex(lastIndex) },
      { durableIndex, oldestSnapshot },
      defaultCompaction,
    );
  t.is(cut(60_990), LogIndex(11_000));
  t.is(cut(500), LogIndex(500));
  t.is(cut(60_990, 7_000), LogIndex(7_000));
  t.is(cut(60_990, undefined, 60_000), undefined);
  t.is(cut(0), undefined);
});

test("few large entries are cut by their bytes", (t) => {
  const sizes = new LogSizes();
  for (let index = 1; index <= 3_000; index += 1) sizes.add(LogIndex(index), 50_000);
  t.is(sizes.bytes, 150_000_000);
  const cut = cutAt(
    { baseIndex: LogIndex(0), lastIndex: LogIndex(3_000), sizes },
    { durableIndex: 3_000, oldestSnapshot: undefined },
    defaultCompaction,
  );
  t.is(cut, LogIndex(2_000));
  sizes.dropTo(LogIndex(2_000));
  t.is(sizes.bytes, 50_000_000);
  sizes.truncateFrom(LogIndex(2_501));
  t.is(sizes.bytes, 25_000_000);
});
