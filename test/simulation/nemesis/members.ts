/** What goes wrong with inference, and what those who look after the cluster do to it. */
import type { Random } from "../../../src/lib/random.ts";
import type { ChunkHash, NodeId } from "../../../src/lib/types.ts";
import type { Clients } from "../clients.ts";
import { calmExecutor } from "../inference/executor.ts";
import type { Fault, Scene } from "./scene.ts";

export function hurtExecutor(scene: Scene, { ms }: Fault, random: Random): boolean {
  const victim = scene.victim(random);
  if (victim === undefined) return false;
  victim.executorFaults = {
    dies: random.pick([0, 20, 200]) ?? 0,
    hangs: random.pick([0, 0, 20, 200]) ?? 0,
    isLate: random.pick([0, 50, 300]) ?? 0,
  };
  scene.say(`its executor is unwell: ${JSON.stringify(victim.executorFaults)}`, victim.id);
  scene.world.time.after(ms, () => (victim.executorFaults = calmExecutor));
  return true;
}

export function changeMembers(scene: Scene, { what, ms }: Fault, random: Random): boolean {
  const { inside, outside, wiped, time } = scene.world;
  const operate = (work: Parameters<Clients["operate"]>[1]): void => {
    scene.clients.operate(random, work).catch((error: unknown) => time.fail(error));
  };
  const someone = random.pick(inside)?.id;
  switch (what) {
    case "transfer":
      scene.say(`leadership to ${someone ?? "anybody"}`);
      operate(async ({ coordination }, _key, signal) => coordination.handOver(someone, signal));
      return true;
    case "voters": {
      const value = String(random.pick([1, 3, 5, 7]) ?? 3);
      scene.say(`voters: ${value}`);
      operate(async ({ coordination }, key, signal) =>
        coordination.decide({ kind: "set-setting", name: "voters", value }, { key, signal }),
      );
      return true;
    }
    case "join": {
      const id = random.pick([...outside].filter((each) => !wiped.has(each)));
      if (id === undefined || scene.world.machine(id).life > 0) return false;
      scene.say("it joins", id);
      scene.world.start(id);
      return true;
    }
    default: {
      if (inside.length < 4 || someone === undefined || isNeeded(scene, someone)) return false;
      scene.say(`${someone} is to leave, after ${ms} ms`);
      operate(async ({ coordination }, key, signal) =>
        coordination.decide({ kind: "remove-member", node: someone }, { key, signal }),
      );
      return true;
    }
  }
}

/**
 * Whether a node has the last whole copy of a chunk that rots elsewhere: nobody has read that yet, so it counts as a copy, and
 * if the node left, two would be taken at a time.
 */
function isNeeded(scene: Scene, node: NodeId): boolean {
  const others = scene.world.inside.filter(({ id }) => id !== node);
  const rots = (hash: ChunkHash): boolean =>
    others.some(({ chunks }) => chunks.durable.get(hash)?.isDamaged === true);
  const { durable } = scene.world.machine(node).chunks;
  return [...durable.keys()].some((hash) => rots(hash) && !scene.isElsewhere(hash, node));
}
