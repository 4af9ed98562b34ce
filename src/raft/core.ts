/**
 * The consensus core of one node: events in, one {@link Ready} out. It knows no clock, chance, disk or network; the
 * driver (src/node/raft-driver.ts) and the simulator feed it alike. Start reading here; the rules (R1 to R9) stand
 * in state.ts, each role has its file.
 */
import { assertNever, LogIndex, type NodeId } from "../lib/types.ts";
import { configurationAsOf, configurationsCompacted } from "./configuration-history.ts";
import { onMessage } from "./dispatch.ts";
import { electionWon, onPeerDied, ownVoteDurable, startPreVote } from "./election.ts";
import { healIfWhole } from "./follower.ts";
import { beginHandover, beginHandoverToBest, expireHandover } from "./handover.ts";
import {
  advance,
  appendAsLeader,
  becomeLeader,
  broadcastHeartbeat,
  checkQuorum,
  onUnreachable,
  peerView,
  peerViews,
  replicate,
} from "./leader.ts";
import { holdsLease } from "./lease.ts";
import type { LogReader } from "./log.ts";
import { changeConfiguration, leaveJointConfiguration, settleConfiguration } from "./membership.ts";
import type { ConfigurationRequest, Proposed, RaftOptions, Steered } from "./options.ts";
import { onSnapshotStaged } from "./snapshot.ts";
import { takeWrite } from "./write.ts";
import { drainOutbox, inForce, type Leadership, openState, type RaftState } from "./state.ts";
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  LogBase,
  PeerView,
  RaftEvent,
  Ready,
  RoleView,
} from "./types.ts";

export class Raft {
  readonly #state: RaftState;
  #reported: RoleView;
  #reportedConfiguration: ConfigurationAt;

  constructor(options: RaftOptions, ports: { readonly log: LogReader }) {
    this.#state = openState(options, ports.log);
    this.#reported = this.role;
    this.#reportedConfiguration = inForce(this.#state);
  }

  /** When the next `tick` is wanted, in the same milliseconds as `now`; Infinity: not before something else happens. */
  get deadline(): number {
    const { role, electionDue } = this.#state;
    if (role.kind !== "leader") return electionDue;
    const { heartbeatDue, quorumCheckDue, commitNoticeDue, isNoticePending, handover } = role;
    const handoverDue = handover?.due ?? Number.POSITIVE_INFINITY;
    // Who leads nobody has nobody to tell anything, and nobody to be heard by.
    if (role.progress.size === 0) return handoverDue;
    const noticeDue = isNoticePending ? commitNoticeDue : Number.POSITIVE_INFINITY;
    return Math.min(heartbeatDue, quorumCheckDue, noticeDue, handoverDue);
  }

  get role(): RoleView {
    const { role, term, id } = this.#state;
    const leader = role.kind === "leader" ? id : role.kind === "follower" ? role.leader : undefined;
    return { kind: role.kind, term, leader };
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  /** The configuration in force (R12), committed or not. */
  get configuration(): Configuration {
    return inForce(this.#state).configuration;
  }

  /** Whether it is committed, as far as this node knows: only then may it be changed. */
  get isConfigurationCommitted(): boolean {
    return inForce(this.#state).index <= this.#state.commitIndex;
  }

  /** The configuration as of an index between the log's base and its end. */
  configurationAsOf(index: LogIndex): ConfigurationAt {
    return configurationAsOf(this.#state, index);
  }

  /** The entry before the log's first one. */
  get base(): LogBase {
    return this.#state.log.base;
  }

  get isDamaged(): boolean {
    return this.#state.damage !== undefined;
  }

  /** Whether this node leads and has committed in its term: only then does its state hold all that was acknowledged. */
  get isReadyLeader(): boolean {
    const { role, commitIndex } = this.#state;
    return role.kind === "leader" && commitIndex >= role.noopIndex;
  }

  /** The entry with which the present leadership began; undefined unless leading. */
  get noopIndex(): LogIndex | undefined {
    const { role } = this.#state;
    return role.kind === "leader" ? role.noopIndex : undefined;
  }

  /** What this leader knows of everybody else; empty unless leading. */
  get peers(): ReadonlyMap<NodeId, PeerView> {
    const { role } = this.#state;
    if (role.kind !== "leader") return new Map();
    return peerViews(role);
  }

  /** The same of one of them; undefined: not in the group, or not leading. */
  peer(node: NodeId): PeerView | undefined {
    const { role } = this.#state;
    const progress = role.kind === "leader" ? role.progress.get(node) : undefined;
    return progress === undefined ? undefined : peerView(progress);
  }

  /** Entries from `from` on for applying, about `maxBytes` of them. */
  entries(from: LogIndex, maxBytes: number): readonly Entry[] {
    return this.#state.log.slice(from, maxBytes) ?? [];
  }

  /** Appends commands to the log if this node leads. They are committed when the state machine applies them. */
  propose(commands: readonly Uint8Array[], now: number): Proposed {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    if (state.role.kind !== "leader") return { kind: "notLeader", leader: this.role.leader };
    if (state.isFull) return { kind: "full" };
    if (state.role.handover !== undefined)
      return { kind: "handingOver", to: state.role.handover.to };
    if (state.role.uncommittedBytes >= state.limits.uncommittedBytes)
      return { kind: "busy", limitBytes: state.limits.uncommittedBytes };
    const firstIndex = LogIndex(state.log.lastIndex + 1);
    appendAsLeader(
      state,
      state.role,
      commands.map((data) => ({ kind: "command", data })),
    );
    return { kind: "accepted", firstIndex, term: state.term };
  }

  /** Asks for an index at which a read is linearizable; the answer comes in a Ready under the same id. */
  read(id: number, now: number): void {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    const { role } = state;
    if (role.kind !== "leader" || role.reads.size >= state.limits.pendingReads) {
      state.readsReady.push({ id, index: undefined });
      return;
    }
    if (state.commitIndex >= role.noopIndex && holdsLease(state, role)) {
      state.readsReady.push({ id, index: state.commitIndex });
      return;
    }
    role.reads.add(id, LogIndex(Math.max(state.commitIndex, role.noopIndex)));
    role.heartbeatNow = true;
  }

  /** Changes who votes, through a joint configuration where needed (§6). In force at once, safe when committed. */
  changeConfiguration(request: ConfigurationRequest, now: number): Steered {
    return this.#steer(now, (state, role) => changeConfiguration(state, role, request));
  }

  /** Leaves a joint configuration that does not leave by itself. */
  leaveJoint(now: number): Steered {
    return this.#steer(now, leaveJointConfiguration);
  }

  /** Hands the leadership over to a voter; undefined: to the one that is furthest (dissertation §3.10). */
  handOver(to: NodeId | undefined, now: number): Steered {
    return this.#steer(now, (state, role) => {
      if (to !== undefined) return beginHandover(state, role, to);
      return beginHandoverToBest(state, role)
        ? { kind: "accepted", index: state.log.lastIndex, term: state.term }
        : { kind: "refused", why: "no other voter was heard of late" };
    });
  }

  #steer(now: number, action: (state: RaftState, role: Leadership) => Steered): Steered {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    if (state.role.kind !== "leader") return { kind: "notLeader", leader: this.role.leader };
    return action(state, state.role);
  }

  step(event: RaftEvent, now: number): void {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    switch (event.kind) {
      case "tick":
        this.#tick();
        return;
      case "message":
        onMessage(state, event.message);
        this.#settle();
        return;
      case "persisted":
        if (event.write <= state.durableWrite) return;
        state.durableWrite = event.write;
        state.log.persisted(event.write);
        ownVoteDurable(state);
        this.#settle();
        return;
      case "unreachable":
        if (state.role.kind === "leader") onUnreachable(state.role, event.peer);
        return;
      case "peerDied":
        onPeerDied(state, event.peer);
        return;
      case "compacted":
        state.log.compacted(event.base);
        configurationsCompacted(state, event.base.index);
        return;
      case "snapshotStaged":
        onSnapshotStaged(state, event.snapshot);
        return;
      case "storage":
        state.isFull = event.full;
        this.#settle();
        return;
      default: // unreachable: every kind is above
        assertNever(event, "raft event");
    }
  }

  /**
   * What is to be done now; the caller does it all, in the order of {@link Ready}'s fields.
   * @param canPersist false while the disk is busy: what must be written gathers for the next write, which is how
   *   many proposals come to share one sync
   */
  takeReady(canPersist = true): Ready {
    const state = this.#state;
    this.#settle();
    if (state.role.kind === "leader") {
      if (state.role.heartbeatNow) broadcastHeartbeat(state, state.role);
      replicate(state, state.role);
    }
    healIfWhole(state);
    const persist = canPersist ? takeWrite(state) : undefined;
    const messages = drainOutbox(state);
    const role = this.role;
    const changed =
      role.kind !== this.#reported.kind ||
      role.term !== this.#reported.term ||
      role.leader !== this.#reported.leader;
    this.#reported = role;
    const { healed, wanted, log } = state;
    state.healed = false;
    state.wanted = undefined;
    const configuration = inForce(state);
    const reconfigured = configuration !== this.#reportedConfiguration;
    this.#reportedConfiguration = configuration;
    return {
      persist,
      messages,
      applyTo: LogIndex(Math.min(state.commitIndex, log.durableIndex)),
      reads: state.readsReady.splice(0),
      role: changed ? role : undefined,
      healed,
      fetch: wanted,
      configuration: reconfigured ? configuration : undefined,
    };
  }

  /** After anything that may have decided something: an election, a commit, a read, a healing. */
  #settle(): void {
    const state = this.#state;
    if (electionWon(state)) becomeLeader(state);
    if (state.role.kind === "leader") advance(state, state.role);
    if (state.role.kind === "leader") settleConfiguration(state, state.role);
    // A leader without room lets one lead that has it; it goes on serving reads until one does.
    if (state.role.kind === "leader" && state.isFull && state.role.handover === undefined)
      beginHandoverToBest(state, state.role);
  }

  #tick(): void {
    const state = this.#state;
    const { role, now } = state;
    if (role.kind !== "leader") {
      if (now >= state.electionDue) startPreVote(state);
      return;
    }
    expireHandover(state, role);
    if (now >= role.quorumCheckDue) checkQuorum(state, role);
    if (state.role === role && now >= role.heartbeatDue) broadcastHeartbeat(state, role);
  }
}
