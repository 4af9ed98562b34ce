/**
 * One seed's world: knobs, then a stretch of virtual time in which everything that may happen does, then calm, in which
 * the group must come to rest. Throws with what went wrong.
 */
import { Random } from "../../../src/lib/random.ts";
import type { NodeId } from "../../../src/lib/types.ts";
import type { ConfigurationChange } from "../../../src/raft/configuration.ts";
import { defaultTimings } from "../../../src/raft/types.ts";
import { Cluster } from "../cluster.ts";
import { calm } from "./network.ts";
import { tightLimits } from "./options.ts";
import { comeBack, outbid, relapse, type Stage, usurp } from "./plots.ts";
import { settle } from "./settle.ts";

/** What happens in a seed, in weights; each seed draws which of them are on. */
const happenings = [
  ["crash", 10],
  ["restart", 18],
  ["isolate", 5],
  ["usurp", 8],
  ["cutOne", 5],
  ["split", 5],
  ["heal", 12],
  ["pause", 6],
  ["resume", 12],
  ["compact", 8],
  ["members", 9],
  ["leaveJoint", 4],
  ["handOver", 6],
  ["hint", 4],
  ["unreachable", 3],
  ["full", 3],
  ["room", 5],
  ["damage", 4],
  ["relapse", 3],
  ["comeBack", 3],
  ["outbid", 3],
  ["read", 25],
  ["propose", 45],
] as const;

/** After these, messages of an earlier life must not arrive (R9). */
const damaging: readonly Happening[] = ["damage", "relapse"];

type Happening = (typeof happenings)[number][0];

/** Without these nothing would move. */
const always: readonly Happening[] = ["restart", "heal", "resume", "room", "read", "propose"];

export interface World {
  readonly cluster: Cluster;
  /** How often each thing was done. */
  readonly done: ReadonlyMap<string, number>;
}

export function stir(seed: number, steps = 120): World {
  const stirring = new Stirring(seed);
  try {
    stirring.run(steps);
    settle(stirring.cluster);
  } catch (error) {
    const { cluster } = stirring;
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(
      `IDUNNO_SEED=${seed} IDUNNO_RUNS=1: ${what}\n${cluster.trace.tail()}\n${cluster.describe()}`,
      { cause: error },
    );
  }
  return { cluster: stirring.cluster, done: stirring.done };
}

class Stirring {
  readonly cluster: Cluster;
  readonly done = new Map<string, number>();
  readonly #random: Random;
  readonly #seed: number;
  readonly #deck: Happening[] = [];
  readonly #stage: Stage;
  readonly #keep: number;
  readonly #pace: number;
  #proposed = 0;

  constructor(seed: number) {
    this.#seed = seed;
    const random = new Random(seed);
    this.#random = random;
    for (const [happening, weight] of happenings)
      if (always.includes(happening) || random.chance(2, 3))
        for (let i = weight * random.between(1, 3); i > 0; i -= 1) this.#deck.push(happening);
    const size = random.pick([1, 2, 3, 3, 3, 4, 5, 5, 7]) ?? 3;
    const leaseReads = random.chance(1, 2);
    const { leaseDriftPerMille } = defaultTimings;
    this.#keep = random.pick([0, 0, 1, 5, 20]) ?? 0;
    this.#pace = random.pick([20, 100, 300, 500]) ?? 100;
    this.cluster = new Cluster(size, random.next(), {
      spares: random.between(0, Math.max(1, 7 - size)),
      timings: {
        ...defaultTimings,
        leaseReads,
        // With little chance in it, elections come as early as they ever may: that is when leases must have ended.
        electionMaxMs: defaultTimings.electionMinMs + (random.pick([5, 5, 50, 300]) ?? 300),
      },
      limits: {
        ...tightLimits,
        appendBytes: random.pick([1, 100, 400, 10_000]) ?? 400,
        inflightMessages: random.between(1, 8),
        windowBytes: random.pick([1, 300, 1_000, 100_000]) ?? 1_000,
        uncommittedBytes: random.pick([400, 2_000, 100_000]) ?? 2_000,
        pendingReads: random.pick([2, 100]) ?? 100,
      },
      oneWriteAtATime: random.chance(2, 3),
      hasTurns: random.chance(2, 3),
      applyMs: random.pick([0, 5, 200]) ?? 0,
      driftPerMille: leaseReads ? leaseDriftPerMille : (random.pick([0, 100, 500]) ?? 0),
      hasConnections: damaging.some((each) => this.#deck.includes(each)) || random.chance(1, 3),
    });
    const isSwift = leaseReads && random.chance(1, 2);
    this.cluster.network.faults = {
      loss: random.pick([0, 10, 100, 200]) ?? 0,
      duplication: random.pick([0, 50, 300]) ?? 0,
      late: random.pick([0, 20, 100, 300]) ?? 0,
      lateMs: random.pick([1_000, 5_000, 20_000]) ?? 1_000,
      delayMs: isSwift ? 1 : (random.pick([0, 2, 20, 80, 200]) ?? 0),
      diskMs: isSwift ? 1 : (random.pick([0, 2, 20, 60, 150, 400]) ?? 0),
    };
    this.#stage = {
      cluster: this.cluster,
      random,
      keep: this.#keep,
      propose: (id) => this.#propose(id),
      changeMembers: (id) => this.#changeMembers(id),
      damage: (id) => this.#damage(id),
    };
  }

  run(steps: number): void {
    if (this.#random.chance(1, 2)) this.cluster.network.slow = this.#random.pick(this.cluster.ids);
    const { cluster } = this;
    const random = this.#random;
    for (let step = 0; step < steps; step += 1) {
      cluster.run(random.between(0, this.#pace));
      // Half of the time what follows happens to one that takes itself for the leader: that is where it hurts.
      const leader = random.pick(cluster.leaders());
      const any = random.pick(cluster.ids) ?? "n1";
      const id = leader !== undefined && random.chance(1, 2) ? leader : any;
      const happening = random.pick(this.#deck) ?? "propose";
      this.done.set(happening, (this.done.get(happening) ?? 0) + 1);
      this.#happen(happening, id);
    }
    this.#calmDown();
  }

  #happen(happening: Happening, id: string): void {
    const { cluster } = this;
    const random = this.#random;
    const other = random.pick(cluster.ids) ?? id;
    switch (happening) {
      case "crash":
        if (cluster.node(id).raft === undefined) return;
        cluster.crash(id);
        if (random.chance(1, 3)) cluster.died(id);
        // At once, as a supervisor does it.
        if (random.chance(1, 3)) cluster.start(id);
        return;
      case "restart":
        for (const node of cluster.nodes.values())
          if (node.raft === undefined && random.chance(1, 2)) cluster.start(node.id);
        return;
      case "isolate":
        cluster.isolate(id);
        return;
      case "cutOne":
        cluster.network.cut.add(`${id}>${other}`);
        return;
      case "split":
        cluster.network.split(cluster.ids, random.chance(1, 2) ? other : undefined);
        return;
      case "heal":
        cluster.heal();
        return;
      case "pause":
        cluster.pause(id);
        return;
      case "resume":
        for (const node of cluster.nodes.values())
          if (node.isPaused) cluster.resume(node.id, random.chance(1, 2));
        return;
      case "usurp":
        usurp(this.#stage);
        return;
      case "compact":
        cluster.compact(random.chance(1, 2) ? id : other, this.#keep);
        return;
      case "members":
        this.#changeMembers(id);
        return;
      case "leaveJoint":
        cluster.leaveJoint(id);
        return;
      case "handOver":
        if (random.chance(1, 8)) cluster.setFull(other, true);
        cluster.handOver(id, random.chance(1, 3) ? undefined : other);
        return;
      case "hint":
        cluster.hint(other, id);
        return;
      case "unreachable":
        cluster.unreachable(id, other);
        return;
      case "full":
        cluster.setFull(id, true);
        return;
      case "room":
        for (const node of cluster.nodes.values()) if (node.isFull) cluster.setFull(node.id, false);
        return;
      case "damage":
        this.#damage(other);
        return;
      case "relapse":
        relapse(this.#stage);
        return;
      case "comeBack":
        comeBack(this.#stage, other);
        return;
      case "outbid":
        outbid(this.#stage);
        return;
      case "read":
        cluster.read(id);
        return;
      case "propose":
        this.#propose(id);
        return;
    }
  }

  #propose(id: string): void {
    for (let i = this.#random.between(1, 6); i > 0; i -= 1)
      this.cluster.propose(id, `${this.#seed}/${(this.#proposed += 1)}`);
  }

  #changeMembers(id: string): void {
    const random = this.#random;
    const { cluster } = this;
    // Damage is healed first: a group shrunk to its damaged nodes could never come back.
    if ([...cluster.nodes.values()].some(({ lost }) => lost.length > 0)) return;
    const changes: ConfigurationChange[] = [];
    for (let i = random.pick([1, 1, 1, 2, 3, 4]) ?? 1; i > 0; i -= 1) {
      const node = random.pick(cluster.ids) as NodeId;
      const kind = random.pick(["addVoter", "addVoter", "addLearner", "remove"] as const);
      changes.push({ kind: kind ?? "addVoter", node });
    }
    // The leader replaced by another, in one go.
    if (random.chance(1, 6)) changes.push({ kind: "remove", node: id as NodeId });
    const transition = random.pick(["auto", "auto", "implicit", "explicit"] as const) ?? "auto";
    cluster.changeConfiguration(id, { changes, transition });
    // Another at once is refused.
    if (random.chance(1, 4)) cluster.changeConfiguration(id, { changes, transition: "auto" });
  }

  /** One node at a time, and only where its absence leaves a quorum: more cannot be healed by anybody. */
  #damage(id: string): void {
    const { cluster } = this;
    const node = cluster.node(id);
    const everybody = [...cluster.nodes.values()];
    if (node.raft === undefined || everybody.some(({ lost }) => lost.length > 0)) return;
    // A configuration may be on its way to every disk.
    for (const { disk, raft } of everybody)
      for (const { voters, outgoing } of [
        ...disk.configurations().map(({ configuration }) => configuration),
        ...(raft === undefined ? [] : [raft.configuration]),
      ])
        for (const half of [voters, outgoing]) if (half.length > 0 && half.length < 3) return;
    cluster.crash(id);
    const { base, lastIndex } = node.disk;
    if (lastIndex === base.index) return;
    const keep = this.#random.between(base.index, lastIndex - 1);
    cluster.damage(id, keep, this.#random.chance(1, 2));
  }

  #calmDown(): void {
    const { cluster } = this;
    cluster.heal();
    cluster.network.faults = { ...calm, delayMs: 2, diskMs: 2 };
    cluster.network.slow = undefined;
    for (const node of cluster.nodes.values()) {
      if (node.isPaused) cluster.resume(node.id);
      if (node.raft === undefined) cluster.start(node.id);
      if (node.isFull) cluster.setFull(node.id, false);
    }
  }
}
