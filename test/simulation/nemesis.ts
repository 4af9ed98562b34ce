/**
 * Breaks things, and mends each after its time. It keeps to what the cluster promises to survive: a fault that would take
 * more than the redundancy there is left is not done. So whatever goes wrong is a bug.
 */
import { Random } from "../../src/lib/random.ts";
import type { ChunkHash, NodeId } from "../../src/lib/types.ts";
import { defaultTimings } from "../../src/raft/types.ts";
import { isVoter } from "../../src/raft/quorum.ts";
import type { ChunkRecord } from "../../src/sdfs/catalog/types.ts";
import type { Clients } from "./clients.ts";
import { calmExecutor } from "./executor.ts";
import { dataDirectory, type SimulatedMachine } from "./machine.ts";
import type { Happening, Step } from "./plan.ts";
import type { World } from "./world.ts";

/** After a fault has ended the cluster needs so long to be as before, ms: an election, a snapshot. */
const recoveryMs = 3_000;

type Fault = Extract<Step, { kind: "fault" }>;

export class Nemesis {
  /** How often each thing was done. */
  readonly done = new Map<Happening, number>();
  readonly #world: World;
  readonly #clients: Clients;
  /** Until when some fault lasts, or has just ended. */
  #troubledUntil = 0;
  /** Whether nothing was wrong when the fault that is being done began. */
  #isCalm = true;
  /** After this nothing is begun any more. */
  isOver = false;

  constructor(world: World, clients: Clients) {
    this.#world = world;
    this.#clients = clients;
  }

  begin(step: Fault): void {
    this.#world.failovers.forget();
    this.#isCalm = this.#world.time.now > this.#troubledUntil;
    if (this.isOver || !this.#do(step, new Random(step.seed))) return;
    this.#troubledUntil = Math.max(
      this.#troubledUntil,
      this.#world.time.now + step.ms + recoveryMs,
    );
    this.done.set(step.what, (this.done.get(step.what) ?? 0) + 1);
  }

  /** Puts everything right. What was destroyed stays so. */
  mend(): void {
    this.isOver = true;
    const { network, machines } = this.#world;
    network.heal();
    for (const machine of machines.values()) {
      machine.disk.faults.slowFactor = 1;
      machine.disk.makeRoom();
      machine.disk.faults.syncFailures = 0;
      machine.chunks.isFull = false;
      machine.executorFaults = calmExecutor;
      machine.process?.resume();
      if (!machine.isUp && !this.#world.outside.has(machine.id)) this.#world.start(machine.id);
    }
  }

  #do(step: Fault, random: Random): boolean {
    switch (step.what) {
      case "kill":
      case "powerLoss":
      case "blackout":
      case "pause":
      case "jumpClock":
        return this.#process(step, random);
      case "isolate":
      case "oneWay":
      case "split":
      case "bridge":
      case "swizzle":
      case "reset":
        return this.#network(step, random);
      case "slowDisk":
      case "fullDisk":
      case "failSync":
      case "corruptLog":
      case "corruptState":
      case "corruptMark":
      case "damageChunk":
      case "wipeChunks":
      case "wipeMachine":
        return this.#disk(step, random);
      case "badExecutor":
        return this.#executor(step, random);
      case "transfer":
      case "voters":
      case "join":
      case "remove":
        return this.#members(step, random);
    }
  }

  /** The leader as often as all others together: it is the one whose loss hurts. */
  #victim(random: Random): SimulatedMachine | undefined {
    const { leader, inside } = this.#world;
    if (leader !== undefined && random.chance(1, 2)) return leader;
    return random.pick(inside.filter(({ isUp }) => isUp));
  }

  #say(text: string, node?: NodeId): void {
    this.#world.trace.add({ kind: "fault", at: this.#world.time.now, node, text });
  }

  #noteLoss({ running }: SimulatedMachine): void {
    const role = running?.raft.role;
    const hasDefaults = this.#world.plan.knobs.timings.heartbeatMs === defaultTimings.heartbeatMs;
    if (role?.kind === "leader" && this.#isCalm && hasDefaults)
      this.#world.failovers.lost(role.term, this.#world.time.now);
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  #process({ what, ms }: Fault, random: Random): boolean {
    const { time, inside, ids } = this.#world;
    if (what === "blackout") {
      this.#say("the power fails everywhere");
      this.#world.failovers.forget();
      for (const { id } of inside) this.#world.crash(id, { power: true });
      for (const id of ids) time.after(random.between(0, ms), () => this.#restart(id));
      return true;
    }
    const victim = this.#victim(random);
    if (victim === undefined) return false;
    const { id } = victim;
    if (what === "jumpClock") {
      victim.process?.jump(ms);
      this.#say(`its clock jumps by ${ms} ms`, id);
      return true;
    }
    this.#noteLoss(victim);
    if (what === "pause") {
      const { process } = victim;
      if (process === undefined || process.isPaused) return false;
      process.pause();
      this.#world.trace.add({ kind: "paused", at: time.now, node: id });
      time.after(ms, () => {
        if (!process.isPaused || !process.isAlive) return;
        this.#world.trace.add({ kind: "resumed", at: time.now, node: id });
        process.resume();
      });
      return true;
    }
    this.#world.crash(id, { power: what === "powerLoss" });
    time.after(ms, () => this.#restart(id));
    return true;
  }

  #restart(id: NodeId): void {
    if (!this.#world.outside.has(id)) this.#world.start(id);
  }

  // --- the network --------------------------------------------------------------------------------------------------

  #network({ what, ms }: Fault, random: Random): boolean {
    const { network, time } = this.#world;
    const ids = this.#world.inside.map(({ id }) => id);
    const victim = this.#victim(random)?.id;
    const other = random.pick(ids.filter((id) => id !== victim));
    if (victim === undefined || other === undefined) return false;
    if (what === "reset") {
      network.reset(victim, other);
      this.#say(`connections with ${other} are reset`, victim);
      return true;
    }
    if (what === "swizzle") return this.#swizzle(ids, ms, random);
    const cuts = this.#cuts(what, ids, victim, random);
    if (what === "isolate") this.#noteLoss(this.#world.machine(victim));
    for (const [from, to] of cuts) network.cut(from, to);
    this.#say(`${what}: ${cuts.map(([from, to]) => `${from}>${to}`).join(" ")}`);
    time.after(ms, () => {
      for (const [from, to] of cuts) network.mend(from, to);
      this.#say(`${what} is over`);
    });
    return true;
  }

  #cuts(
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
  #swizzle(ids: readonly NodeId[], ms: number, random: Random): boolean {
    const { network, time } = this.#world;
    const chosen = ids.filter(() => random.chance(1, 2));
    this.#say(`clogs ${chosen.join(" ")}`);
    for (const id of chosen) {
      const from = random.between(0, ms);
      const until = ms + random.between(0, ms);
      time.after(from, () => {
        for (const other of ids)
          if (other !== id && !this.isOver) network.clog(id, other, until - from);
      });
    }
    return chosen.length > 0;
  }

  // --- disks --------------------------------------------------------------------------------------------------------

  #disk({ what, ms }: Fault, random: Random): boolean {
    const { time } = this.#world;
    const victim = this.#victim(random);
    if (victim === undefined) return false;
    const { disk, id } = victim;
    switch (what) {
      case "slowDisk":
        disk.faults.slowFactor = random.pick([5, 30]) ?? 5;
        this.#say(`its disk is ${disk.faults.slowFactor} times slower`, id);
        time.after(ms, () => (disk.faults.slowFactor = 1));
        return true;
      case "fullDisk":
        return this.#fill(victim, ms);
      case "failSync":
        disk.failSyncs();
        this.#say("its next sync fails", id);
        return true;
      case "damageChunk":
        return this.#damageChunk(victim);
      case "wipeChunks":
        return this.#wipeChunks(victim, ms);
      case "wipeMachine":
        return this.#wipeMachine(victim, ms, random);
      case "corruptLog":
        return this.#corrupt(victim, random.pick(["log-batch", "log-rows"] as const), ms);
      case "corruptState":
        return this.#corrupt(victim, "state-rows", ms);
      default:
        return this.#corrupt(victim, "mark", ms);
    }
  }

  #fill({ id, disk, chunks, running }: SimulatedMachine, ms: number): boolean {
    // Someone has to take entries.
    if (this.#world.inside.some((each) => each.disk.faults.isFull)) return false;
    this.#say("its disk is full", id);
    chunks.isFull = true;
    // What watches the disk (disk-watch.ts) keeps a reserve for what is under way, so that writes still succeed.
    running?.node.services.driver.storageFull(true);
    this.#world.time.after(ms, () => {
      chunks.isFull = false;
      this.#say("its disk has room", id);
      this.#world.machine(id).running?.node.services.driver.storageFull(false);
    });
    return disk !== undefined;
  }

  /**
   * Bits rot while nobody looks; a restart finds it. One node at a time, of three voters at least, and none while another
   * is still being refilled: more could not be healed by anybody.
   */
  #corrupt(
    { id, disk }: SimulatedMachine,
    target: "log-batch" | "log-rows" | "state-rows" | "mark" | undefined,
    ms: number,
  ): boolean {
    if (target === undefined || !this.#maySpare(id)) return false;
    this.#world.crash(id, { power: false });
    const what = disk.corrupt(dataDirectory, target);
    this.#say(`rot: ${what ?? "nothing there"}`, id);
    this.#world.time.after(Math.min(ms, 1_000), () => this.#restart(id));
    return what !== undefined;
  }

  /** Whether the group could do without what this node holds. */
  #maySpare(id: NodeId): boolean {
    const { consensus, inside, wiped } = this.#world;
    if (consensus.damaged.length > 0 || wiped.size > 0) return false;
    for (const { running, isUp } of inside) {
      const raft = running?.raft;
      // Nobody else may be away or be catching up: each of them may be what the rest needs.
      if (!isUp || raft === undefined || raft.isDamaged) return false;
      const { voters, outgoing, learners } = raft.configuration;
      if (voters.length < 3 || outgoing.length > 0 || learners.length > 0) return false;
      if (!isVoter(raft.configuration, id)) return false;
    }
    const leader = this.#world.leader?.running?.raft;
    if (leader?.isReadyLeader !== true || !leader.isConfigurationCommitted) return false;
    // All hold all: then what one loses is on every other.
    return [...leader.peers.values()].every(
      ({ matchIndex, damaged }) => !damaged && matchIndex === leader.lastIndex,
    );
  }

  /** Some other whole copy remains of a chunk that is taken here: the catalog knows of it, and its node is to stay. */
  #isElsewhere(hash: ChunkHash, except: NodeId): boolean {
    const { rows, machine } = this.#world.product;
    const record = rows.get(`chunk/${hash}`) as ChunkRecord | undefined;
    if (record === undefined) return true;
    return this.#world.inside.some(
      ({ id, chunks }) =>
        id !== except &&
        record.stores.includes(chunks.id) &&
        machine.stores.get(chunks.id)?.state === "active" &&
        machine.members.get(id)?.leaving !== true &&
        chunks.durable.get(hash)?.isDamaged === false,
    );
  }

  #damageChunk({ id, chunks }: SimulatedMachine): boolean {
    const hash = chunks.damage((each) => this.#isElsewhere(each, id));
    if (hash === undefined) return false;
    this.#say(`chunk ${hash.slice(0, 8)} rots`, id);
    return true;
  }

  /** The chunk folder is lost, and with it its id; the log is not. */
  #wipeChunks({ id, chunks }: SimulatedMachine, ms: number): boolean {
    for (const hash of chunks.durable.keys()) if (!this.#isElsewhere(hash, id)) return false;
    this.#world.crash(id, { power: false });
    chunks.wipe();
    this.#say("its chunks are wiped", id);
    this.#world.time.after(ms, () => this.#restart(id));
    return true;
  }

  /** Everything is lost. Whoever looks after the cluster removes the node, and lets an empty one join under its name. */
  #wipeMachine({ id, disk, chunks }: SimulatedMachine, ms: number, random: Random): boolean {
    const { inside, outside, wiped, consensus, product, time } = this.#world;
    for (const hash of chunks.durable.keys()) if (!this.#isElsewhere(hash, id)) return false;
    if (inside.length < 4 || !this.#maySpare(id)) return false;
    this.#world.crash(id, { power: true });
    disk.wipe();
    chunks.wipe();
    consensus.wiped(id);
    outside.add(id);
    wiped.add(id);
    this.#say("it is wiped", id);
    const node = id;
    void this.#clients
      .operate(random, async ({ coordination }, key, signal) =>
        coordination.decide({ kind: "remove-member", node }, { key, signal }),
      )
      .catch((error: unknown) => time.fail(error));
    const comeBack = (): void => {
      if (product.machine.members.get(id)?.state === "left") this.#world.start(id);
      else time.after(500, comeBack);
    };
    time.after(ms, comeBack);
    return true;
  }

  // --- inference and members ----------------------------------------------------------------------------------------

  #executor({ ms }: Fault, random: Random): boolean {
    const victim = this.#victim(random);
    if (victim === undefined) return false;
    victim.executorFaults = {
      dies: random.pick([0, 20, 200]) ?? 0,
      hangs: random.pick([0, 0, 20]) ?? 0,
      isLate: random.pick([0, 50, 300]) ?? 0,
    };
    this.#say(`its executor is unwell: ${JSON.stringify(victim.executorFaults)}`, victim.id);
    this.#world.time.after(ms, () => (victim.executorFaults = calmExecutor));
    return true;
  }

  #members({ what, ms }: Fault, random: Random): boolean {
    const { inside, outside, wiped, time } = this.#world;
    const operate = (work: Parameters<Clients["operate"]>[1]): void => {
      this.#clients.operate(random, work).catch((error: unknown) => time.fail(error));
    };
    const someone = random.pick(inside)?.id;
    switch (what) {
      case "transfer":
        this.#say(`leadership to ${someone ?? "anybody"}`);
        operate(async ({ coordination }, _key, signal) => coordination.handOver(someone, signal));
        return true;
      case "voters": {
        const value = String(random.pick([1, 3, 5, 7]) ?? 3);
        this.#say(`voters: ${value}`);
        operate(async ({ coordination }, key, signal) =>
          coordination.decide({ kind: "set-setting", name: "voters", value }, { key, signal }),
        );
        return true;
      }
      case "join": {
        const id = random.pick([...outside].filter((each) => !wiped.has(each)));
        if (id === undefined || this.#world.machine(id).life > 0) return false;
        this.#say("it joins", id);
        this.#world.start(id);
        return true;
      }
      default: {
        if (inside.length < 4 || someone === undefined) return false;
        this.#say(`${someone} is to leave, after ${ms} ms`);
        operate(async ({ coordination }, key, signal) =>
          coordination.decide({ kind: "remove-member", node: someone }, { key, signal }),
        );
        return true;
      }
    }
  }
}
