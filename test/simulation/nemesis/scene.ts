/**
 * What the faults of the nemesis have in common: the world, who is hit, and what is said of it.
 */
import type { Random } from "../../../src/lib/random.ts";
import type { ChunkHash, NodeId } from "../../../src/lib/types.ts";
import { isVoter } from "../../../src/raft/quorum.ts";
import { defaultTimings } from "../../../src/raft/types.ts";
import type { ChunkRecord } from "../../../src/sdfs/catalog/types.ts";
import type { Clients } from "../clients.ts";
import type { SimulatedMachine } from "../machine.ts";
import type { Step } from "../plan.ts";
import type { World } from "../world.ts";

export type Fault = Extract<Step, { kind: "fault" }>;

export class Scene {
  readonly world: World;
  readonly clients: Clients;
  /** Whether nothing else was wrong when the fault that is being done began. */
  isCalm = true;
  /** After this nothing is broken any more. */
  isOver = false;

  constructor(world: World, clients: Clients) {
    this.world = world;
    this.clients = clients;
  }

  /** The leader as often as all others together: it is the one whose loss hurts. */
  victim(random: Random): SimulatedMachine | undefined {
    const { leader, inside } = this.world;
    if (leader !== undefined && random.chance(1, 2)) return leader;
    return random.pick(inside.filter(({ isUp }) => isUp));
  }

  say(text: string, node?: NodeId): void {
    this.world.trace.add({ kind: "fault", at: this.world.time.now, node, text });
  }

  noteLoss({ running }: SimulatedMachine): void {
    const role = running?.raft.role;
    const hasDefaults = this.world.plan.knobs.timings.heartbeatMs === defaultTimings.heartbeatMs;
    if (role?.kind === "leader" && this.isCalm && hasDefaults)
      this.world.failovers.lost(role.term, this.world.time.now);
  }

  restart(id: NodeId): void {
    if (!this.world.outside.has(id)) this.world.start(id);
  }

  /** Whether the group could do without what this node holds. */
  maySpare(id: NodeId): boolean {
    const { consensus, inside, wiped } = this.world;
    if (consensus.damaged.length > 0 || wiped.size > 0) return false;
    for (const { running, isUp } of inside) {
      const raft = running?.raft;
      // Nobody else may be away or be catching up: each of them may be what the rest needs.
      if (!isUp || raft === undefined || raft.isDamaged) return false;
      const { voters, outgoing, learners } = raft.configuration;
      if (voters.length < 3 || outgoing.length > 0 || learners.length > 0) return false;
      if (!isVoter(raft.configuration, id)) return false;
    }
    const leader = this.world.leader?.running?.raft;
    if (leader?.isReadyLeader !== true || !leader.isConfigurationCommitted) return false;
    // All hold all: then what one loses is on every other.
    return [...leader.peers.values()].every(
      ({ matchIndex, damaged }) => !damaged && matchIndex === leader.lastIndex,
    );
  }

  /** Some other whole copy remains of a chunk that is taken here: the catalog knows of it, and its node is to stay. */
  isElsewhere(hash: ChunkHash, except: NodeId): boolean {
    const { rows, machine } = this.world.product;
    const record = rows.get(`chunk/${hash}`) as ChunkRecord | undefined;
    if (record === undefined) return true;
    return this.world.inside.some(
      ({ id, chunks }) =>
        id !== except &&
        record.stores.includes(chunks.id) &&
        machine.stores.get(chunks.id)?.state === "active" &&
        machine.members.get(id)?.leaving !== true &&
        chunks.durable.get(hash)?.isDamaged === false,
    );
  }
}
