/** Faults of processes and machines: killed, without power, at a standstill, their clocks set forward. */
import type { Random } from "../../../src/lib/random.ts";
import type { Fault, Scene } from "./scene.ts";

export function hurtProcess(scene: Scene, { what, ms }: Fault, random: Random): boolean {
  const { time, inside, ids } = scene.world;
  if (what === "blackout") {
    scene.say("the power fails everywhere");
    scene.world.failovers.forget();
    for (const { id } of inside) scene.world.crash(id, { power: true });
    for (const id of ids) time.after(random.between(0, ms), () => scene.restart(id));
    return true;
  }
  const victim = scene.victim(random);
  if (victim === undefined) return false;
  const { id } = victim;
  if (what === "jumpClock") {
    victim.process?.jump(ms);
    scene.say(`its clock jumps by ${ms} ms`, id);
    return true;
  }
  scene.noteLoss(victim);
  if (what === "pause") {
    const { process } = victim;
    if (process === undefined || process.isPaused) return false;
    process.pause();
    scene.world.trace.add({ kind: "paused", at: time.now, node: id });
    time.after(ms, () => {
      if (!process.isPaused || !process.isAlive) return;
      scene.world.trace.add({ kind: "resumed", at: time.now, node: id });
      process.resume();
    });
    return true;
  }
  scene.world.crash(id, { power: what === "powerLoss" });
  time.after(ms, () => scene.restart(id));
  return true;
}
