/** Faults of the network: who is cut off from whom, which links are clogged, which connections are reset. */
import type { Random } from "../../../src/lib/random.ts";
import type { NodeId } from "../../../src/lib/types.ts";
import type { Happening } from "../plan.ts";
import type { Fault, Scene } from "./scene.ts";

export function hurtNetwork(scene: Scene, { what, ms }: Fault, random: Random): boolean {
  const { network, time } = scene.world;
  const ids = scene.world.inside.map(({ id }) => id);
  const victim = scene.victim(random)?.id;
  const other = random.pick(ids.filter((id) => id !== victim));
  if (victim === undefined || other === undefined) return false;
  if (what === "reset") {
    network.reset(victim, other);
    scene.say(`connections with ${other} are reset`, victim);
    return true;
  }
  if (what === "swizzle") return swizzle(scene, ids, ms, random);
  const cuts = cutsFor(what, ids, victim, random);
  if (what === "isolate") scene.noteLoss(scene.world.machine(victim));
  for (const [from, to] of cuts) network.cut(from, to);
  scene.say(`${what}: ${cuts.map(([from, to]) => `${from}>${to}`).join(" ")}`);
  time.after(ms, () => {
    for (const [from, to] of cuts) network.mend(from, to);
    scene.say(`${what} is over`);
  });
  return true;
}

function cutsFor(
  what: Happening,
  ids: readonly NodeId[],
  victim: NodeId,
  random: Random,
): (readonly [NodeId, NodeId])[] {
  const others = ids.filter((id) => id !== victim);
  if (what === "isolate")
    return others.flatMap((id) => [[victim, id] as const, [id, victim] as const]);
  if (what === "oneWay") {
    const isDeaf = random.chance(1, 2);
    const some = others.filter(() => random.chance(2, 3));
    return some.map((id) => (isDeaf ? ([id, victim] as const) : ([victim, id] as const)));
  }
  // Two sides; a bridge hears both (openraft #2080).
  const bridge = what === "bridge" ? victim : undefined;
  const left = ids.filter((id) => id !== bridge && random.chance(1, 2));
  const right = ids.filter((id) => id !== bridge && !left.includes(id));
  const isOneWay = random.chance(1, 4);
  return left.flatMap((a) =>
    right.flatMap((b) => (isOneWay ? [[a, b] as const] : [[a, b] as const, [b, a] as const])),
  );
}

/** Links are clogged one after the other, and free again in another order (FoundationDB). */
function swizzle(scene: Scene, ids: readonly NodeId[], ms: number, random: Random): boolean {
  const { network, time } = scene.world;
  const chosen = ids.filter(() => random.chance(1, 2));
  scene.say(`clogs ${chosen.join(" ")}`);
  for (const id of chosen) {
    const from = random.between(0, ms);
    const until = ms + random.between(0, ms);
    time.after(from, () => {
      for (const other of ids)
        if (other !== id && !scene.isOver) network.clog(id, other, until - from);
    });
  }
  return chosen.length > 0;
}
