import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import { SnapshotInstaller } from "../../../src/node/snapshots/snapshot-installer.ts";
import type { Logger } from "../../../src/node/log.ts";
import type { Entry } from "../../../src/raft/types.ts";
import {
  append,
  applyTo,
  closeWorld,
  configurationAt,
  entryAt,
  Healthy,
  type Opened,
  openWorld,
  rowsOf,
  vote,
  writeOf,
} from "../../soak/stored-world.ts";
import { systemDisk } from "../../../src/node/stores/system-disk.ts";
import { crashImages } from "./crash-images.ts";

const founders = ["n1", "n2", "n3"];
const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent } as unknown as Logger;

async function folder(t: { teardown: (f: () => Promise<void>) => void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "idunno-crash-"));
  t.teardown(async () => rm(path, { recursive: true }));
  return path;
}

function checkEntries(world: Opened, last: number): string | undefined {
  const { base, lastIndex } = world.logStore;
  if (lastIndex !== last) return `the log ends at ${lastIndex}`;
  for (let index = base.index + 1; index <= last; index += 1) {
    const [entry] = world.logStore.read(LogIndex(index), LogIndex(index), 1);
    if (Buffer.compare(entry?.data ?? Buffer.alloc(0), entryAt(index, founders).data) !== 0)
      return `entry ${index} is another one`;
  }
  return undefined;
}

test.serial("a compaction cut short anywhere leaves a whole log (B1)", async (t) => {
  const root = await folder(t);
  const directory = join(root, "node");
  const world = await openWorld(directory, founders);
  await world.logStore.write(writeOf([], { hardState: vote }));
  await append(world, founders, { from: 1, to: 4_700 });
  const to = LogIndex(4_600);
  const images = await crashImages(directory, root, async () => {
    await world.logStore.compact(to, configurationAt(world, to));
    await Promise.all([
      world.logStore.trim(),
      world.logStore.write(writeOf([entryAt(4_701, founders)])),
    ]);
  });
  t.is(world.logStore.base.index, to);
  await closeWorld(world);
  t.true(images.length > 4);
  const bases = new Set<number>();
  for (const image of images) {
    const again = await openWorld(image, founders);
    t.deepEqual(again.recovered.damage, [], image);
    t.deepEqual(again.recovered.hardState, vote);
    bases.add(again.logStore.base.index);
    t.is(checkEntries(again, Math.max(4_700, again.logStore.lastIndex)), undefined, image);
    const learners = configurationAt(again, 4_700)?.learners;
    t.deepEqual(learners, [NodeId("l4500")]);
    await closeWorld(again);
  }
  t.deepEqual([...bases], [0, to]);
});

/** A node that is to get a snapshot of 400: 30 entries applied, and this much of a log. */
const behind: readonly (readonly [string, number, (index: number) => Entry])[] = [
  ["a log that is shorter", 100, (index) => entryAt(index, founders)],
  [
    "a longer log of another history",
    600,
    (index) =>
      index <= 40
        ? entryAt(index, founders)
        : { index: LogIndex(index), term: Term(6), kind: "noop", data: new Uint8Array(0) },
  ],
];

for (const [what, last, entryOf] of behind)
  test.serial(`installing a snapshot over ${what} may be cut short anywhere (B2)`, async (t) => {
    const root = await folder(t);
    const peer = await openWorld(join(root, "peer"), founders);
    await append(peer, founders, { from: 1, to: 400 });
    await peer.logStore.compact(LogIndex(200), undefined);
    await peer.logStore.trim();
    const healthy = new Healthy(peer);
    const wanted = await rowsOf(peer);
    const directory = join(root, "node");
    const world = await openWorld(directory, founders);
    await world.logStore.write(writeOf([], { hardState: vote }));
    await world.logStore.write(writeOf(Array.from({ length: last }, (_, i) => entryOf(i + 1))));
    await world.logStore.remark();
    applyTo(world, 30);
    await world.state.settled();
    const images = await crashImages(directory, root, async () => healthy.install(world));
    t.deepEqual(await rowsOf(world), wanted);
    await closeWorld(world);
    t.true(images.length >= 6, `${images.length} images`);
    const applied: number[] = [];
    for (const image of images) {
      const again = await openWorld(image, founders);
      t.deepEqual(again.recovered.hardState, vote, image);
      applied.push(again.state.appliedIndex);
      const isOld = again.state.appliedIndex === 30;
      t.is(again.logStore.lastIndex, LogIndex(isOld ? last : 400), image);
      // Only before the mark is lowered may it name what the snapshot took away.
      if (again.recovered.damage.length > 0)
        t.regex(again.recovered.damage.join(), /the mark is at 600/);
      if (isOld) await healthy.install(again);
      t.is(again.logStore.base.index, LogIndex(400));
      t.is(again.logStore.positionOf(LogIndex(400)).term, Term(1));
      t.deepEqual(await rowsOf(again), wanted, image);
      await again.logStore.write(writeOf([entryAt(401, founders)]));
      applyTo(again, 401);
      await again.logStore.healed();
      await closeWorld(again);
      const last401 = await openWorld(image, founders);
      t.deepEqual(last401.recovered.damage, []);
      t.is(last401.state.appliedIndex, 401);
      t.deepEqual((await rowsOf(last401)).size, wanted.size + 1);
      await closeWorld(last401);
    }
    t.true(applied.includes(30) && applied.includes(400));
    t.deepEqual(
      applied,
      applied.toSorted((a, b) => a - b),
      "the snapshot never goes again",
    );
    await healthy.close();
  });

test.serial("a snapshot takes the place of the rows while others read the old ones", async (t) => {
  const root = await folder(t);
  const peer = await openWorld(join(root, "peer"), founders);
  await append(peer, founders, { from: 1, to: 400 });
  const healthy = new Healthy(peer);
  const world = await openWorld(join(root, "node"), founders);
  await append(world, founders, { from: 1, to: 60 });
  const { models } = world.machine;
  const reading = world.state.rows("file/");
  await reading.next();
  const { signal } = new AbortController();
  const from = { from: NodeId("n2"), atLeast: LogIndex(1) };
  const staged = await healthy.fetcher(world.stage).fetch(from, signal);
  const { directory, state, machine, stage, stateFolder } = world;
  const installer = new SnapshotInstaller(stateFolder, {
    directory,
    disk: systemDisk,
    state,
    machine,
    stage,
    log,
  });
  await world.logStore.install(await installer.install(staged), vote);
  let rest = 1;
  for await (const _row of reading) rest += 1;
  t.is(rest, 59, "the old rows to the end");
  await installer.close();
  t.is(models, machine.models, "views of tables are the same maps");
  t.is(models.size, 8, "with the rows of the snapshot");
  t.is(state.hash, peer.state.hash);
  t.deepEqual(state.configuration, peer.state.configuration);
  await closeWorld(world);
  await healthy.close();
});
