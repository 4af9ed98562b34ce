/**
 * Breaks things, and mends each after its time. It keeps to what the cluster promises to survive: a fault that would take
 * more than the redundancy there is left is not done. So whatever goes wrong is a bug.
 */
import { Random } from "../../../src/lib/random.ts";
import type { Clients } from "../clients.ts";
import { calmExecutor } from "../inference/executor.ts";
import type { Happening } from "../plan.ts";
import type { World } from "../world.ts";
import { hurtDisk } from "./disks.ts";
import { changeMembers, hurtExecutor } from "./members.ts";
import { hurtNetwork } from "./network.ts";
import { hurtProcess } from "./processes.ts";
import { type Fault, Scene } from "./scene.ts";

/** After a fault has ended the cluster needs so long to be as before, ms: an election, a snapshot. */
const recoveryMs = 3_000;

/** How each thing is done. @returns whether it was */
const hurts: Readonly<Record<Happening, (scene: Scene, fault: Fault, random: Random) => boolean>> =
  {
    kill: hurtProcess,
    powerLoss: hurtProcess,
    blackout: hurtProcess,
    pause: hurtProcess,
    jumpClock: hurtProcess,
    isolate: hurtNetwork,
    oneWay: hurtNetwork,
    split: hurtNetwork,
    bridge: hurtNetwork,
    swizzle: hurtNetwork,
    reset: hurtNetwork,
    slowDisk: hurtDisk,
    fullDisk: hurtDisk,
    failSync: hurtDisk,
    corruptLog: hurtDisk,
    corruptState: hurtDisk,
    corruptMark: hurtDisk,
    damageChunk: hurtDisk,
    wipeChunks: hurtDisk,
    wipeMachine: hurtDisk,
    badExecutor: hurtExecutor,
    transfer: changeMembers,
    voters: changeMembers,
    join: changeMembers,
    remove: changeMembers,
  };

export class Nemesis {
  /** How often each thing was done. */
  readonly done = new Map<Happening, number>();
  readonly #scene: Scene;
  /** Until when some fault lasts, or has just ended. */
  #troubledUntil = 0;

  constructor(world: World, clients: Clients) {
    this.#scene = new Scene(world, clients);
  }

  begin(step: Fault): void {
    const { world, isOver } = this.#scene;
    const { now } = world.time;
    world.failovers.forget();
    this.#scene.isCalm = now > this.#troubledUntil;
    if (isOver || !hurts[step.what](this.#scene, step, new Random(step.seed))) return;
    this.#troubledUntil = Math.max(this.#troubledUntil, now + step.ms + recoveryMs);
    this.done.set(step.what, (this.done.get(step.what) ?? 0) + 1);
  }

  /** Puts everything right. What was destroyed stays so. */
  mend(): void {
    const { world } = this.#scene;
    this.#scene.isOver = true;
    world.network.heal();
    for (const machine of world.machines.values()) {
      machine.disk.faults.slowFactor = 1;
      machine.disk.makeRoom();
      machine.disk.faults.syncFailures = 0;
      machine.chunks.isFull = false;
      machine.executorFaults = calmExecutor;
      machine.process?.resume();
      if (!machine.isUp && !world.outside.has(machine.id)) world.start(machine.id);
    }
  }
}
