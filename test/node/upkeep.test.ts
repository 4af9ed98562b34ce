/** What a node does for its files by itself: room, scrubbing, and the rate of it. On virtual time. */
import test from "ava";
import { hasCode } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { type ChunkHash, NodeId, StoreId } from "../../src/lib/types.ts";
import type { Operation } from "../../src/machine/commands.ts";
import type { Coordination } from "../../src/node/coordination.ts";
import type { Chunks } from "../../src/node/ports.ts";
import { RateLimit } from "../../src/node/rate-limit.ts";
import { Scrubber } from "../../src/node/scrubber.ts";
import { chunkReserve, StoreRoom } from "../../src/node/store-room.ts";
import { chunk, cluster, hashOf, upload } from "../machine/fixtures.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";
import { stateOf } from "./http/http-node.ts";
import { quiet } from "./quiet.ts";

function clock() {
  const time = new VirtualTime();
  const process = new SimulatedProcess(time, { offset: 0, perMille: 1_000 }, new Random(1));
  return { time, process };
}

const never = new AbortController().signal;
const store = StoreId("store1");

test("bytes go through at the rate, in order; at a rate of nothing only when there is one again", async (t) => {
  const { time, process } = clock();
  let rate = 1_000;
  const limit = new RateLimit(() => rate, process);
  const went: [name: string, at: number][] = [];
  const go = (name: string, bytes: number): void =>
    void limit.take(bytes, never).then(() => went.push([name, time.now]));
  go("a", 500);
  go("b", 2_000);
  go("c", 1);
  await time.run(3_000);
  t.deepEqual(went, [
    ["a", 0],
    ["b", 500],
    ["c", 2_500],
  ]);
  rate = 0;
  go("d", 1);
  await time.run(10_000);
  t.is(went.length, 3);
  rate = 1;
  await time.run(1_001);
  t.is(went[3]?.[0], "d");
});

/** A scrubber of a store that should have these chunks, at 10 MB a second; and what it reads and tells. */
function scrubberOf(rows: readonly ReturnType<typeof chunk>[], bad: ReadonlySet<ChunkHash>) {
  const { time, process } = clock();
  const replica = cluster(4);
  for (let n = 0; n < rows.length; n += 100) replica.must(upload(`f${n}`, rows.slice(n, n + 100)));
  replica.must({ kind: "set-setting", name: "sdfs-scrub-mbps", value: "10" });
  const read: ChunkHash[] = [];
  const times: number[] = [];
  const told: ChunkHash[] = [];
  const whole = new Uint8Array(1_000_000);
  const chunks = {
    id: store,
    get: async (hash: ChunkHash) => {
      read.push(hash);
      times.push(time.now);
      return bad.has(hash) ? undefined : whole;
    },
    size: async (hash: ChunkHash) => (bad.has(hash) ? undefined : whole.length),
  };
  const scrubber = new Scrubber({
    store: chunks as unknown as Chunks,
    state: stateOf(replica),
    machine: replica.machine,
    runtime: process,
    log: quiet,
    reportLost: async (lost) => void told.push(...lost),
  });
  scrubber.start();
  return { scrubber, time, replica, read, times, told };
}

test("a scrub reads all that should be here, tells what is damaged or gone, and comes again in time", async (t) => {
  const rows = Array.from({ length: 1_200 }, (_, n) =>
    chunk(n + 5_000, [1, 2, 3, 4], 0, 1_000_000),
  );
  const bad = new Set([hashOf(5_003), hashOf(6_100)]);
  const { scrubber, time, replica, read, told } = scrubberOf(rows, bad);
  await time.run(70_000);
  const half = scrubber.progress;
  t.true(half.isRunning && half.chunks > 400 && half.chunks < 700, JSON.stringify(half));
  // What goes while the pass is under way is no loss.
  replica.must({ kind: "lose-chunks", store, chunks: [hashOf(6_100)] });
  await time.run(70_000);
  t.like(scrubber.progress, { isRunning: false, passes: 1, damaged: 1 });
  t.deepEqual(told, [hashOf(5_003)]);
  t.is(new Set(read).size, read.length, "each once");
  t.true(read.length >= 1_199);
  await time.run(167 * 3_600_000);
  t.is(scrubber.progress.passes, 1);
  await time.run(2 * 3_600_000);
  t.is(scrubber.progress.passes, 2);
  await scrubber.close();
});

test("of small chunks a scrub reads no more than of some of 256 KiB", async (t) => {
  const rows = Array.from({ length: 1_200 }, (_, n) => chunk(n + 5_000, [1, 2, 3, 4], 0, 100));
  const { scrubber, time, read, times } = scrubberOf(rows, new Set());
  await time.run(20_000);
  // Ten seconds after the first look, at 38 a second, sixteen at a time.
  t.true(read.length > 365 && read.length < 395, `${read.length}`);
  const groups = new Set(times);
  t.true(groups.size * 16 <= read.length + 16, `${groups.size} times`);
  await time.run(30_000);
  t.true(new Set(read).size >= 1_200, `${read.length}`);
  await scrubber.close();
});

function roomOf(free: () => number) {
  const { time, process } = clock();
  const replica = cluster(2);
  const told: Operation[] = [];
  const room = new StoreRoom(
    { reserveBytes: chunkReserve(500) },
    {
      self: NodeId("n1"),
      store: { id: store, freeBytes: async () => free() } as unknown as Chunks,
      state: stateOf(replica),
      machine: replica.machine,
      coordination: {
        decide: async (operation: Operation) => {
          told.push(operation);
          return replica.must(operation).outcome;
        },
      } as unknown as Coordination,
      runtime: process,
      log: quiet,
    },
  );
  room.start();
  return { time, replica, told, room };
}

test("a store takes no chunk into its reserve, and takes some again a quarter above it", async (t) => {
  let free = 10_000;
  const { time, replica, told, room } = roomOf(() => free);
  const refuses = (bytes: number): boolean => {
    try {
      room.take(bytes);
      return false;
    } catch (error) {
      return hasCode(error, "NO_SPACE");
    }
  };
  t.false(refuses(1e9), "nobody knows yet");
  await time.run(1_500);
  const known = () => replica.machine.stores.get(store)?.room ?? -1;
  t.true(Math.abs(Math.log2(known() / 9_000)) <= 0.125);
  // What was taken since it last looked counts (W1).
  t.false(refuses(6_000));
  t.true(refuses(4_000));
  t.false(refuses(3_000));
  free = 999;
  await time.run(1_000);
  t.true(room.isFull);
  t.is(room.freeBytes, 0);
  t.is(known(), 0);
  t.true(refuses(1));
  free = 1_249;
  await time.run(1_000);
  t.true(refuses(1), "it does not waver");
  free = 1_250;
  await time.run(1_000);
  t.false(refuses(1));
  t.true(known() > 0);
  t.is(told.length, 3);
  await room.close();
});

test("chunks that come and go change what is free, not what a store weighs", async (t) => {
  let free = 100_000;
  const { time, replica, told, room } = roomOf(() => free);
  await time.run(1_500);
  t.is(told.length, 1);
  for (let n = 0; n < 80; n += 1) {
    const { mutations } = replica.must(upload(`f${n}`, [chunk(n + 5_000, [1, 2], 0, 1_000)]));
    room.applied(mutations);
    free -= 1_000;
    await time.run(1_000);
  }
  for (let n = 0; n < 80; n += 2) {
    const { mutations } = replica.must({ kind: "lose-chunks", store, chunks: [hashOf(n + 5_000)] });
    room.applied(mutations);
    free += 1_000;
    await time.run(1_000);
  }
  t.is(told.length, 1);
  // Somebody else fills the disk.
  free -= 30_000;
  await time.run(1_000);
  t.is(told.length, 2);
  await room.close();
});
