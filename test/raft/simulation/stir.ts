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
import { settle } from "./settle.ts";

/** What happens in a seed, in weights; each seed draws which of them are on. */
const happenings = [
  ["crash", 10],
  ["restart", 18],
  ["isolate", 5],
  ["usurp", 5],
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
  ["read", 25],
  ["propose", 45],
] as const;

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
      hasConnections: this.#deck.includes("damage") || random.chance(1, 3),
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
        this.#usurp();
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

  /**
   * A leader is cut off and does not know it: it is asked for reads, and takes proposals and changes that will come to
   * nothing, while the others elect another, forget what is committed, and let it back in.
   */
  #usurp(): void {
    const { cluster } = this;
    const random = this.#random;
    const old = random.pick(cluster.leaders());
    if (old === undefined) return;
    this.#cutOff(old);
    const paceMs = random.pick([20, 60, 120]) ?? 60;
    // Either log may be the longer one in the end: how often each is given something, in a thousand per ms.
    const [oldRate = 0, newRate = 0] = random.pick([
      [2, 10],
      [10, 2],
      [1, 1],
    ]) ?? [1, 1];
    const end = cluster.now + random.between(100, 1_600);
    const changeAt = cluster.now + random.between(0, 1_000);
    for (let before = cluster.now; before < end; before = cluster.now) {
      cluster.run(random.between(1, paceMs));
      const ms = cluster.now - before;
      if (before < changeAt && cluster.now >= changeAt) this.#changeMembers(old);
      if (random.chance(oldRate * ms, 1_000)) this.#propose(old);
      cluster.read(old);
      const now = cluster.leader();
      if (now !== undefined && now !== old && random.chance(newRate * ms, 1_000))
        this.#propose(now);
    }
    for (const id of cluster.ids)
      if (id !== old && random.chance(2, 3)) cluster.compact(id, this.#keep);
    if (cluster.node(old).isPaused) cluster.resume(old, random.chance(1, 2));
    else if (random.chance(1, 2)) cluster.heal();
  }

  /** In one of the ways that have fooled leaders: in the middle of a handover, by voters that forget, standing still. */
  #cutOff(old: string): void {
    const { cluster } = this;
    const random = this.#random;
    const others = cluster.raft(old).configuration.voters.filter((id) => id !== old);
    // With these it is a quorum.
    const friends = others.slice(0, Math.floor((others.length + 1) / 2));
    const way = random.between(0, 5);
    if (way === 0) {
      cluster.handOver(old, friends[0]);
      cluster.run(random.between(0, 20));
    }
    if (way === 1) {
      for (const id of others)
        if (!friends.includes(id)) cluster.network.cut.add(`${old}>${id}`).add(`${id}>${old}`);
      cluster.run(random.between(500, 1_500));
    }
    if (way === 2) cluster.network.slow = old;
    if (way === 3) cluster.pause(old);
    else cluster.isolate(old);
    if (way === 1)
      for (const id of friends) {
        if (cluster.node(id).raft === undefined) continue;
        cluster.crash(id);
        cluster.start(id);
      }
    if (random.chance(1, 2)) cluster.died(old);
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
    for (const { disk } of everybody)
      for (const { configuration } of disk.configurations())
        for (const half of [configuration.voters, configuration.outgoing])
          if (half.length > 0 && half.length < 3) return;
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
