/** The real stores over the simulated disk: cut off at every point, they have all that they acknowledged. */
import test, { type ExecutionContext } from "ava";
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import type { Entry, HardState } from "../../../src/raft/types.ts";
import {
  append,
  applyTo,
  configurationAt,
  entryAt,
  type Opened,
  openWorld,
  rowsOf,
  vote,
  writeOf,
} from "../../soak/stored-world.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { drive, makeDisk, makeProcess } from "./support.ts";

const founders = ["n1", "n2", "n3"];
const laterVote: HardState = { term: Term(8), vote: NodeId("n3") };

/** What a node has promised so far. */
interface Promised {
  entries: Entry[];
  /** Those it may have: the last acknowledged, and the one under way. */
  votes: (HardState | undefined)[];
  base: number;
  applied: number;
}

function laterEntry(index: number): Entry {
  return { index: LogIndex(index), term: Term(8), kind: "noop", data: new Uint8Array(0) };
}

/** A life of a node's stores: entries, votes, a truncation, states, a compaction. */
async function live(
  { disk, time }: { readonly disk: SimulatedDisk; readonly time: VirtualTime },
  promised: Promised,
): Promise<void> {
  const world = await openWorld("/data", founders, {
    disk: disk.attach(),
    runtime: makeProcess(time),
  });
  const { logStore, state } = world;
  promised.votes.push(vote);
  await logStore.write(writeOf([], { hardState: vote }));
  promised.votes = [vote];
  for (let from = 1; from <= 30; from += 6) {
    const entries = Array.from({ length: 6 }, (_, i) => entryAt(from + i, founders));
    await logStore.write(writeOf(entries));
    promised.entries.push(...entries);
  }
  applyTo(world, 24);
  await state.settled();
  promised.applied = 24;
  await logStore.remark();
  // M2: what is cut off is promised no more, from here on.
  promised.entries = promised.entries.slice(0, 27);
  promised.votes.push(laterVote);
  const newer = [28, 29, 30, 31].map(laterEntry);
  const truncation = { truncateFrom: LogIndex(28), hardState: laterVote };
  await logStore.write(writeOf(newer, truncation));
  promised.votes = [laterVote];
  promised.entries.push(...newer);
  promised.base = 20;
  await Promise.all([
    logStore.compact(LogIndex(20), configurationAt(world, 20)).then(async () => logStore.trim()),
    logStore.write(writeOf([laterEntry(32)])).then(() => promised.entries.push(laterEntry(32))),
  ]);
}

function check(t: ExecutionContext, world: Opened, promised: Promised, where: string): void {
  const { recovered, logStore, state } = world;
  t.deepEqual(recovered.damage, [], where);
  const { term, vote: voted } = recovered.hardState;
  const mayHave = promised.votes.map((each) => `${each?.term ?? 0} ${each?.vote ?? ""}`);
  t.true(
    [...mayHave, ...(promised.votes.length === 1 ? [] : ["0 "])].includes(`${term} ${voted ?? ""}`),
    where,
  );
  t.true(
    logStore.base.index === LogIndex(0) || logStore.base.index === LogIndex(promised.base),
    where,
  );
  t.true(state.appliedIndex >= promised.applied, where);
  t.true(logStore.lastIndex >= promised.entries.length, where);
  for (const { index, term: of, data } of promised.entries) {
    if (index <= logStore.base.index) continue;
    const [entry] = logStore.read(index, index, 1);
    t.is(entry?.term, of, `${where}: entry ${index}`);
    t.is(Buffer.compare(entry?.data ?? Buffer.alloc(1), data), 0, `${where}: entry ${index}`);
  }
}

/** Lives until so much has happened: disk calls answered, timers gone off. Says whether that was the end of it. */
async function liveFor(
  turns: number,
  { disk, time }: { readonly disk: SimulatedDisk; readonly time: VirtualTime },
  promised: Promised,
): Promise<boolean> {
  let isOver = false;
  const life = live({ disk, time }, promised).then(() => (isOver = true));
  await drive(time, life, () => time.events >= turns);
  return isOver;
}

for (const power of [false, true])
  for (const seed of [1, 2, 3])
    test(`what was acknowledged is there after ${power ? "a loss of power" : "a kill"} at every point (seed ${seed})`, async (t) => {
      let isOver = false;
      let turns = 1;
      for (; !isOver; turns += 1) {
        const { disk, time } = makeDisk(seed * 1_000 + turns);
        const promised: Promised = { entries: [], votes: [undefined], base: 0, applied: 0 };
        isOver = await liveFor(turns, { disk, time }, promised);
        disk.crash({ power });
        const where = `after ${turns} calls`;
        // And once more while it opens.
        const opening = time.events + (turns % 12);
        await drive(
          time,
          openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
          () => time.events >= opening,
        );
        disk.crash({ power });
        const world = await drive(
          time,
          openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
        );
        if (world !== undefined) check(t, world, promised, where);
      }
      t.true(turns > 40, `${turns} points`);
    });

test("a log and a state that had to be made anew are as durable as the first ones", async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { disk, time } = makeDisk(seed);
    const first = await drive(
      time,
      openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
    );
    if (first === undefined) return;
    const appended = append(first, founders, { from: 1, to: 260 });
    await drive(
      time,
      appended.then(async () => first.state.settled()),
    );
    disk.crash({ power: true });
    // Once more, so that what was written lies in tables.
    await drive(
      time,
      openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
    );
    disk.crash({ power: true });
    t.truthy(disk.corrupt("/data", seed % 2 === 0 ? "log-rows" : "state-rows"));
    const second = await drive(
      time,
      openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
    );
    if (second === undefined) return;
    applyTo(second, second.logStore.lastIndex);
    await drive(time, second.state.settled());
    const next = second.logStore.lastIndex + 1;
    await drive(time, second.logStore.write(writeOf([entryAt(next, founders)])));
    await drive(time, second.logStore.healed());
    const rows = await drive(time, rowsOf(second));
    disk.crash({ power: true });
    const third = await drive(
      time,
      openWorld("/data", founders, { disk: disk.attach(), runtime: makeProcess(time) }),
    );
    if (third === undefined) return;
    t.deepEqual(third.recovered.damage, [], `seed ${seed}`);
    t.is(third.logStore.lastIndex, LogIndex(next));
    t.deepEqual(await drive(time, rowsOf(third)), rows);
  }
});
