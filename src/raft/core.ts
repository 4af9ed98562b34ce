/**
 * The consensus core of one node: events in, one {@link Ready} out. It knows no clock, chance, disk or network; the
 * driver (src/node/raft-driver.ts) and the simulator feed it alike. Start reading here; the rules (R1 to R9) stand
 * in state.ts, each role has its file.
 */
import { Random } from "../lib/random.ts";
import { assertNever, LogIndex, type NodeId } from "../lib/types.ts";
import {
  electionWon,
  onPeerDied,
  onPreVote,
  onPreVoteReply,
  onVote,
  onVoteReply,
  ownVoteDurable,
  startPreVote,
} from "./election.ts";
import { followLeader, healIfWhole, onAppend, onHeartbeat } from "./follower.ts";
import {
  advance,
  appendAsLeader,
  becomeLeader,
  broadcastHeartbeat,
  checkQuorum,
  onAppendReply,
  onHeartbeatReply,
  onUnreachable,
  replicate,
} from "./leader.ts";
import { type LogReader, RaftLog } from "./log.ts";
import type { Proposed, RaftOptions } from "./options.ts";
import {
  becomeFollower,
  drainOutbox,
  hearsLeader,
  isDirty,
  type RaftState,
  resetElectionTimer,
  send,
  sendWhenDurable,
} from "./state.ts";
import type {
  Configuration,
  Entry,
  Message,
  PersistWrite,
  RaftEvent,
  Ready,
  RoleView,
} from "./types.ts";

export class Raft {
  readonly #state: RaftState;
  #reported: RoleView;

  constructor(options: RaftOptions, ports: { readonly log: LogReader }) {
    const { limits } = options;
    this.#state = {
      id: options.id,
      timings: options.timings,
      limits,
      random: new Random(options.seed),
      log: new RaftLog(ports.log, options, limits.windowBytes),
      configuration: options.configuration,
      now: options.now,
      term: options.hardState.term,
      vote: options.hardState.vote,
      role: { kind: "follower", leader: undefined },
      commitIndex: LogIndex(Math.max(options.base.index, options.appliedIndex)),
      damage: options.damaged ? { healIndex: undefined, byTerm: undefined } : undefined,
      matchedLeader: LogIndex(0),
      electionDue: 0,
      leaderContact: Number.NEGATIVE_INFINITY,
      hinted: false,
      dirty: { hardState: false, truncateFrom: undefined, appendFrom: undefined },
      nextWrite: 1,
      durableWrite: 0,
      outbox: [],
      readsReady: [],
      healed: false,
    };
    this.#reported = this.role;
    resetElectionTimer(this.#state);
  }

  /** When the next `tick` is wanted, in the same milliseconds as `now`. */
  get deadline(): number {
    const { role, electionDue } = this.#state;
    if (role.kind !== "leader") return electionDue;
    return Math.min(role.heartbeatDue, role.quorumCheckDue);
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

  get configuration(): Configuration {
    return this.#state.configuration;
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

  /** When each peer was last heard, in this process's milliseconds; -Infinity: not in this term. Empty unless leading. */
  get contacts(): ReadonlyMap<NodeId, number> {
    const { role } = this.#state;
    if (role.kind !== "leader") return new Map();
    return new Map([...role.progress].map(([peer, { lastContact }]) => [peer, lastContact]));
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
    role.reads.add(id, LogIndex(Math.max(state.commitIndex, role.noopIndex)));
    role.heartbeatNow = true;
  }

  step(event: RaftEvent, now: number): void {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    switch (event.kind) {
      case "tick":
        this.#tick();
        return;
      case "message":
        this.#onMessage(event.message);
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
      default:
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
    const persist = canPersist ? this.#takeWrite() : undefined;
    const messages = drainOutbox(state);
    const role = this.role;
    const changed =
      role.kind !== this.#reported.kind ||
      role.term !== this.#reported.term ||
      role.leader !== this.#reported.leader;
    this.#reported = role;
    const { healed } = state;
    state.healed = false;
    return {
      persist,
      messages,
      applyTo: LogIndex(Math.min(state.commitIndex, state.log.durableIndex)),
      reads: state.readsReady.splice(0),
      role: changed ? role : undefined,
      healed,
    };
  }

  #takeWrite(): PersistWrite | undefined {
    const { dirty, log, term, vote } = this.#state;
    if (!isDirty(this.#state)) return undefined;
    const write = this.#state.nextWrite;
    this.#state.nextWrite += 1;
    const entries =
      dirty.appendFrom === undefined
        ? []
        : (log.slice(dirty.appendFrom, Number.POSITIVE_INFINITY) ?? []);
    const persist: PersistWrite = {
      write,
      hardState: dirty.hardState ? { term, vote } : undefined,
      truncateFrom: dirty.truncateFrom,
      entries,
    };
    dirty.hardState = false;
    dirty.truncateFrom = undefined;
    dirty.appendFrom = undefined;
    log.writing(write);
    return persist;
  }

  /** After anything that may have decided something: an election, a commit, a read, a healing. */
  #settle(): void {
    const state = this.#state;
    if (electionWon(state)) becomeLeader(state);
    if (state.role.kind === "leader") advance(state, state.role);
  }

  #tick(): void {
    const state = this.#state;
    const { role, now } = state;
    if (role.kind !== "leader") {
      if (now >= state.electionDue) startPreVote(state);
      return;
    }
    if (now >= role.quorumCheckDue) checkQuorum(state, role);
    if (state.role === role && now >= role.heartbeatDue) broadcastHeartbeat(state, role);
  }

  #onMessage(message: Message): void {
    const state = this.#state;
    if (message.kind === "preVote") {
      onPreVote(state, message);
      return;
    }
    if (message.kind === "preVoteReply") {
      onPreVoteReply(state, message);
      return;
    }
    if (message.term > state.term) {
      // A node that hears a live leader does not let a candidate raise its term (R8, dissertation §4.2.3).
      if (message.kind === "vote" && hearsLeader(state)) return;
      const leader =
        message.kind === "append" || message.kind === "heartbeat" ? message.from : undefined;
      becomeFollower(state, message.term, leader);
    } else if (message.term < state.term) {
      this.#answerStale(message);
      return;
    }
    this.#onCurrent(message);
    this.#settle();
  }

  /** Tells an old leader or candidate of the newer term; drops old answers. */
  #answerStale(message: Message): void {
    const state = this.#state;
    const { id: from, term } = state;
    const to = message.from;
    if (message.kind === "append" || message.kind === "heartbeat") {
      const damaged = state.damage !== undefined;
      // With pre-vote and a quorum check, an ousted leader is told, or a higher-term node could stay alone (etcd #8501).
      sendWhenDurable(state, { kind: "heartbeatReply", from, to, term, readPosition: 0, damaged });
    }
    if (message.kind === "vote") send(state, { kind: "voteReply", from, to, term, granted: false });
  }

  /** A message of the present term. */
  #onCurrent(message: Exclude<Message, { readonly kind: "preVote" | "preVoteReply" }>): void {
    const state = this.#state;
    switch (message.kind) {
      case "vote":
        onVote(state, message);
        return;
      case "voteReply":
        onVoteReply(state, message);
        return;
      case "append":
        followLeader(state, message.from);
        onAppend(state, message);
        return;
      case "heartbeat":
        followLeader(state, message.from);
        onHeartbeat(state, message);
        return;
      case "appendReply":
        if (state.role.kind === "leader") onAppendReply(state, state.role, message);
        return;
      case "heartbeatReply":
        if (state.role.kind === "leader") onHeartbeatReply(state, state.role, message);
        return;
      default:
        assertNever(message, "message");
    }
  }
}
