/**
 * Keeps the Raft group as the member list wants it, as the leader's duty: what to change is planned in voter-plan.ts,
 * whether it may be changed now is for the core to say. Also lets those go who were asked to leave, once nothing
 * depends on them.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { NodeId } from "../lib/types.ts";
import type { MemberRecord } from "../machine/commands.ts";
import type { Machine } from "../machine/machine.ts";
import { settingOf } from "../machine/settings.ts";
import { takesMore } from "../machine/tables.ts";
import type { Raft } from "../raft/core.ts";
import { isVoter } from "../raft/quorum.ts";
import type { Coordination } from "./coordination.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { Repairer } from "./repairer.ts";
import { planVoters, type PlannedNode } from "./voter-plan.ts";

/** How often the leader looks when nothing else makes it, in ms. */
const sweepMs = 250;
/** A learner this many entries behind the leader has caught up: what a loaded cluster commits in a moment. */
const caughtUpEntries = 1_000;
/** And it was heard within this, in ms: several heartbeats. */
const heardWithinMs = 500;

export interface VotersPorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly raft: Raft;
  readonly driver: RaftDriver;
  readonly coordination: Coordination;
  readonly repairer: Repairer;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** What the setting is to be when nobody has set it; undefined: its default. */
  readonly votersAtFirst: number | undefined;
}

export class Voters {
  readonly #ports: VotersPorts;
  readonly #duty: LeaderDuty;
  #timer: Timer | undefined;

  constructor(ports: VotersPorts) {
    this.#ports = ports;
    this.#duty = new LeaderDuty(
      { name: "voters" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(sweepMs, () => this.#duty.nudge());
  }

  nudge(): void {
    this.#duty.nudge();
  }

  async #work(): Promise<void> {
    await this.#settle();
    await this.#partFromLeaving();
    this.#changeConfiguration();
  }

  /** The cluster was founded with another number of voters than the default. */
  async #settle(): Promise<void> {
    const { machine, coordination, votersAtFirst } = this.#ports;
    if (votersAtFirst === undefined || machine.settings.has("voters")) return;
    const operation = {
      kind: "set-setting",
      name: "voters",
      value: String(votersAtFirst),
    } as const;
    await coordination.proposeHere(operation, undefined);
  }

  #changeConfiguration(): void {
    const { raft, driver, machine, self, log } = this.#ports;
    if (!raft.isConfigurationCommitted) return;
    const changes = planVoters({
      leader: self,
      configuration: raft.configuration,
      nodes: [...machine.members.values()].map((member) => this.#planned(member)),
      votersWanted: Number(settingOf(machine.settings, "voters")),
    });
    if (changes === undefined) return;
    const request = { changes, transition: "auto" } as const;
    const steered = driver.steer((core, now) => core.changeConfiguration(request, now));
    if (steered.kind === "refused")
      log.debug("configuration-refused", { changes, why: steered.why });
  }

  #planned({ node, state, leaving, since }: MemberRecord): PlannedNode {
    const { self, raft, runtime, logClock } = this.#ports;
    const peer = raft.peer(node);
    const hasCaughtUp =
      node === self ||
      (peer !== undefined &&
        !peer.damaged &&
        peer.matchIndex + caughtUpEntries >= raft.lastIndex &&
        runtime.now() - peer.lastContact < heardWithinMs);
    return {
      node,
      state,
      leaving: leaving === true,
      sinceMs: Math.max(0, logClock.now() - since),
      hasCaughtUp,
    };
  }

  /** Whoever was asked to leave has left when it has no vote and its chunks have enough copies elsewhere. */
  async #partFromLeaving(): Promise<void> {
    const { machine, raft, repairer, coordination, driver, self, log } = this.#ports;
    for (const { node, boot, state, leaving, store } of machine.members.values()) {
      if (leaving !== true || state === "left") continue;
      if (isVoter(raft.configuration, node)) {
        // The leader itself is to leave: another one sees to it.
        const heir = node === self ? this.#heir() : undefined;
        if (heir !== undefined) driver.steer((core, now) => core.handOver(heir, now));
        continue;
      }
      if (!repairer.isDispensable(store)) continue;
      await coordination.proposeHere({ kind: "mark-member", node, boot, state: "left" }, undefined);
      log.info("member-left", { member: node });
    }
  }

  /** The voter that is furthest and is to stay: one that leaves as well would hand the leadership back. */
  #heir(): NodeId | undefined {
    const { machine, raft, self } = this.#ports;
    let best: { readonly node: NodeId; readonly matchIndex: number } | undefined;
    for (const member of machine.members.values()) {
      const { node } = member;
      const peer = raft.peer(node);
      if (node === self || !takesMore(member) || peer === undefined || peer.damaged) continue;
      if (isVoter(raft.configuration, node) && peer.matchIndex >= (best?.matchIndex ?? 0))
        best = { node, matchIndex: peer.matchIndex };
    }
    return best?.node;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#duty.close();
  }
}
