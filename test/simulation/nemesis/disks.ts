/** Faults of disks: slow, full, failing to sync, rotting, wiped. */
import type { Random } from "../../../src/lib/random.ts";
import { dataDirectory, type SimulatedMachine } from "../machine.ts";
import type { NodeId } from "../../../src/lib/types.ts";
import { entryKey } from "../../../src/node/stores/entry-codec.ts";
import type { Fault, Scene } from "./scene.ts";

/** Longer than a client tries, so that one asks after the other, ms. */
const removalMs = 15_000;

export function hurtDisk(scene: Scene, { what, ms }: Fault, random: Random): boolean {
  const { time } = scene.world;
  const victim = scene.victim(random);
  if (victim === undefined) return false;
  const { disk, id } = victim;
  switch (what) {
    case "slowDisk":
      disk.faults.slowFactor = random.pick([5, 30]) ?? 5;
      scene.say(`its disk is ${disk.faults.slowFactor} times slower`, id);
      time.after(ms, () => (disk.faults.slowFactor = 1));
      return true;
    case "fullDisk":
      return fill(scene, victim, ms);
    case "failSync":
      disk.failSyncs();
      scene.say("its next sync fails", id);
      return true;
    case "damageChunk":
      return damageChunk(scene, victim);
    case "wipeChunks":
      return wipeChunks(scene, victim, ms);
    case "wipeMachine":
      return wipeMachine(scene, victim, ms, random);
    case "corruptLog":
      return corrupt(scene, victim, random.pick(["log-batch", "log-rows"] as const), ms);
    case "corruptState":
      return corrupt(scene, victim, "state-rows", ms);
    default:
      return corrupt(scene, victim, "mark", ms);
  }
}

function fill(scene: Scene, { id, disk, chunks, running }: SimulatedMachine, ms: number): boolean {
  // Someone has to take entries.
  if (scene.world.inside.some((each) => each.disk.faults.isFull)) return false;
  scene.say("its disk is full", id);
  chunks.isFull = true;
  // What watches the disk (disk-watch.ts) keeps a reserve for what is under way, so that writes still succeed.
  running?.node.services.driver.storageFull(true);
  scene.world.time.after(ms, () => {
    chunks.isFull = false;
    scene.say("its disk has room", id);
    scene.world.machine(id).running?.node.services.driver.storageFull(false);
  });
  return disk !== undefined;
}

/**
 * Bits rot while nobody looks; a restart finds it. One node at a time, of three voters at least, and none while another
 * is still being refilled: more could not be healed by anybody.
 */
function corrupt(
  scene: Scene,
  { id, disk, running }: SimulatedMachine,
  target: "log-batch" | "log-rows" | "state-rows" | "mark" | undefined,
  ms: number,
): boolean {
  if (target === undefined || !scene.maySpare(id)) return false;
  // What rots in the 50 ms before a crash is beyond the mark: lost without a word, as decision 11 says.
  const marked = running?.stores.logStore.markedIndex;
  if (target === "log-batch" && marked === undefined) return false;
  scene.world.crash(id, { power: false });
  const upTo = target === "log-batch" ? entryKey(marked ?? 0) : undefined;
  const what = disk.corrupt(dataDirectory, target, upTo);
  scene.say(`rot: ${what ?? "nothing there"}`, id);
  scene.world.time.after(Math.min(ms, 1_000), () => scene.restart(id));
  return what !== undefined;
}

function damageChunk(scene: Scene, { id, chunks }: SimulatedMachine): boolean {
  const hash = chunks.damage((each) => scene.isElsewhere(each, id));
  if (hash === undefined) return false;
  scene.say(`chunk ${hash.slice(0, 8)} rots`, id);
  return true;
}

/** The chunk folder is lost, and with it its id; the log is not. */
function wipeChunks(scene: Scene, { id, chunks }: SimulatedMachine, ms: number): boolean {
  for (const hash of chunks.durable.keys()) if (!scene.isElsewhere(hash, id)) return false;
  scene.world.crash(id, { power: false });
  chunks.wipe();
  scene.say("its chunks are wiped", id);
  scene.world.time.after(ms, () => scene.restart(id));
  return true;
}

/** Everything is lost. Whoever looks after the cluster removes the node, and lets an empty one join under its name. */
function wipeMachine(
  scene: Scene,
  { id, disk, chunks }: SimulatedMachine,
  ms: number,
  random: Random,
): boolean {
  const { inside, outside, wiped, consensus, product, time } = scene.world;
  for (const hash of chunks.durable.keys()) if (!scene.isElsewhere(hash, id)) return false;
  if (inside.length < 4 || !scene.maySpare(id)) return false;
  scene.world.crash(id, { power: true });
  disk.wipe();
  chunks.wipe();
  consensus.wiped(id);
  outside.add(id);
  wiped.add(id);
  scene.say("it is wiped", id);
  const comeBack = (): void => {
    const member = product.machine.members.get(id);
    if (member?.state === "left") {
      scene.world.start(id);
      return;
    }
    // Nobody may have been there to decide it.
    if (member?.leaving !== true) removeMember(scene, id, random);
    time.after(removalMs, comeBack);
  };
  time.after(ms, comeBack);
  return true;
}

function removeMember({ clients, world }: Scene, node: NodeId, random: Random): void {
  clients
    .operate(random, async ({ coordination }, key, signal) =>
      coordination.decide({ kind: "remove-member", node }, { key, signal }),
    )
    .catch((error: unknown) => world.time.fail(error));
}
