/**
 * Membership as it is lived: this node registers itself at each start, and the leader marks others down and up.
 *
 * A process that died is known by its port refusing (peers.ts says `refused`): marked down at once. Anything else is
 * judged by silence of the raft lane. A new boot registers itself, which frees what its last boot had in hand.
 */
import { hasCode } from "../lib/errors.ts";
import { type Outcome } from "../lib/outcome.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import { NodeId } from "../lib/types.ts";
import type { MemberRecord, RegisterMember } from "../machine/commands.ts";
import type { Machine } from "../machine/machine.ts";
import type { Raft } from "../raft/core.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, pause, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";

/** A member silent for this long is down, in ms: beyond any election time-out, so that a new leader hears it first. */
export const downAfterMs = 1_000;
/** A member that was down and is heard again within this is up, in ms: four heartbeats. */
const upWithinMs = 400;
/** Boots looked for and remembered: above any cluster. */
const bootsKept = 4_096;
/** How soon the leader looks again at a member that may come back, or that it could not mark, in ms. */
const lookAgainMs = 100;
/** How long one try to register may take, in ms; then it is tried again. */
const registerMs = 5_000;

export interface MembersPorts {
  readonly self: RegisterMember;
  readonly machine: Machine;
  readonly raft: Raft;
  readonly driver: RaftDriver;
  readonly coordination: Coordination;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly onFatal: (error: unknown) => void;
}

export class Members {
  readonly #ports: MembersPorts;
  readonly #closing = sharedAbort();
  /** Peers whose port refused, by the boot that died. */
  readonly #dead = new Map<NodeId, string | undefined>();
  /** The boot with which each peer is connected now. */
  readonly #boots = new Map<NodeId, string>();
  /** When boots that are not connected were first looked for. */
  readonly #seen = new Map<string, number>();
  readonly #marking = new Set<NodeId>();
  #timer: Timer | undefined;
  #leadingSince = 0;
  #registering: Promise<void> | undefined;

  constructor(ports: MembersPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#registering = this.#register();
    this.sweep();
  }

  connected(peer: NodeId, boot: string): void {
    this.#boots.set(peer, boot);
    this.#dead.delete(peer);
    this.sweep();
  }

  /** The peer's process is dead. */
  refused(peer: NodeId): void {
    this.#dead.set(peer, this.#boots.get(peer));
    this.#boots.delete(peer);
    this.sweep();
  }

  /** This node became the leader, or ceased to be. */
  onLeadership(leads: boolean): void {
    this.#leadingSince = leads ? this.#ports.runtime.now() : 0;
  }

  /**
   * As the leader: marks whoever died, fell silent or came back, and looks again when the next one may have. To be called when
   * the leadership begins, when the member list has changed, and when a peer connects or dies.
   */
  sweep(): void {
    const { driver, machine, runtime } = this.#ports;
    this.#timer?.cancel();
    if (!driver.isReadyLeader || this.#closing.signal.aborted) return;
    let againMs = Infinity;
    for (const member of machine.members.values()) {
      if (member.state === "left") continue;
      const heard = this.#heard(member);
      if (!this.#marking.has(member.node)) {
        const state = this.#judge(member, heard);
        // Failures are logged there.
        if (state !== undefined && state !== member.state) void this.#mark(member, state);
      }
      againMs = Math.min(againMs, this.#nextLookMs(member, heard));
    }
    if (againMs < Infinity) this.#timer = runtime.after(againMs, () => this.sweep());
  }

  /** How long nothing can happen to a member that would not call {@link sweep}. */
  #nextLookMs(member: MemberRecord, heard: number): number {
    if (this.#marking.has(member.node)) return lookAgainMs;
    if (member.node === this.#ports.self.node) return Infinity;
    if (member.state === "up") return Math.max(1, downAfterMs - this.#silentMs(heard));
    return this.#boots.get(member.node) === member.boot ? lookAgainMs : Infinity;
  }

  #silentMs(heard: number): number {
    return this.#ports.runtime.now() - Math.max(heard, this.#leadingSince);
  }

  #judge(member: MemberRecord, heard: number): "up" | "down" | undefined {
    const { runtime, self } = this.#ports;
    // Whoever leads is up, also if the leader before could not hear it.
    if (member.node === self.node) return member.boot === self.boot ? "up" : undefined;
    const diedBoot = this.#dead.get(member.node);
    const died =
      this.#dead.has(member.node) && (diedBoot === undefined || diedBoot === member.boot);
    if (member.state === "up")
      return died || this.#silentMs(heard) > downAfterMs ? "down" : undefined;
    const back = this.#boots.get(member.node) === member.boot && runtime.now() - heard < upWithinMs;
    return back && !died ? "up" : undefined;
  }

  /** When it was last heard. Whoever is not in the Raft group says nothing on its own: its connection stands for it. */
  #heard({ node, boot }: MemberRecord): number {
    const { raft, runtime, self } = this.#ports;
    if (node === self.node) return runtime.now();
    const peer = raft.peer(node);
    if (peer !== undefined) return peer.lastContact;
    return this.#boots.get(node) === boot
      ? runtime.now()
      : (this.#seen.get(boot) ?? this.#see(boot));
  }

  /** A boot that is not connected yet has the usual time to be. */
  #see(boot: string): number {
    const now = this.#ports.runtime.now();
    if (this.#seen.size >= bootsKept) this.#seen.clear();
    this.#seen.set(boot, now);
    return now;
  }

  async #mark({ node, boot }: MemberRecord, state: "up" | "down"): Promise<void> {
    const { coordination, log } = this.#ports;
    this.#marking.add(node);
    try {
      const outcome: Outcome = await coordination.proposeHere(
        { kind: "mark-member", node, boot, state },
        undefined,
      );
      log.info("member-marked", { member: node, boot, state, outcome: outcome.kind });
    } catch (error) {
      // No longer the leader: the next one judges anew.
      log.debug("member-mark-failed", { member: node, error: String(error) });
    } finally {
      this.#marking.delete(node);
    }
  }

  /** Says who we are until the state says so too, at every start. */
  async #register(): Promise<void> {
    const { coordination, machine, self, runtime, log } = this.#ports;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      using limit = deadline(runtime, "registering", registerMs, signal);
      try {
        await coordination.decide(self, { key: undefined, signal: limit });
        await coordination.linearize(limit);
        if (machine.members.get(NodeId(self.node))?.boot === self.boot) {
          log.info("registered", { boot: self.boot });
          return;
        }
      } catch (error) {
        // The name is another's, or this node was removed: no later try will do better.
        if (hasCode(error, "CONFLICT")) {
          this.#ports.onFatal(error);
          return;
        }
        if (!signal.aborted) log.debug("register-failed", { error: String(error) });
      }
      await pause(runtime, 50, signal);
    }
  }

  /** Whether this start of the node is in the member list. */
  get isRegistered(): boolean {
    const { machine, self } = this.#ports;
    return machine.members.get(NodeId(self.node))?.boot === self.boot;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#closing.abort();
    await this.#registering;
  }
}
