/**
 * One node's consensus state, and the few moves that every role shares. The role files (follower, election, leader)
 * are functions over this; `core.ts` dispatches to them.
 *
 * Invariants (checked by the tests and the simulator under these names)
 *  R1 term never falls; a vote changes only when the term rises (also when a leader steps down in its own term).
 *  R2 at most one leader per term: one becomes leader only with a quorum of votes, its own durable one among them.
 *  R3 an entry is committed only by a leader of its own term counting durable copies (§5.4.2).
 *  R4 commitIndex never falls and never passes what a quorum holds durably.
 *  R5 vote and append answers leave only when what they promise is durable.
 *  R6 applyTo ≤ min(commitIndex, durableIndex).
 *  R7 a read is confirmed only by answers to a heartbeat round begun after it was asked for, by a leader that has
 *     committed in its own term.
 *  R8 a node that hears a live leader grants neither a pre-vote nor a vote.
 *  R9 a damaged node's answers count for nothing until it is durable up to an index that a leader of a term no
 *     older than its own named after the announcement.
 *  R10 a read is served from a lease only while the lease's length has not passed, by this node's clock, since a
 *     quorum's newest answered heartbeats were sent, and never in a term in which a handover was begun.
 *  R11 a snapshot is installed only beyond the commit index and where the log does not hold its last entry; the
 *     configuration in force is then the snapshot's, whatever the discarded log said (openraft #1808).
 *  R12 the configuration in force is the last one in the log, committed or not; a leader appends another only when
 *     that one is committed and an entry of its own term is.
 */
import { Random } from "../lib/random.ts";
import { assert, LogIndex, type NodeId, type Term } from "../lib/types.ts";
import { type LogReader, RaftLog } from "./log.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { isVoter } from "./quorum.ts";
import type { ReadQueue } from "./read-queue.ts";
import type {
  ConfigurationAt,
  HardState,
  Message,
  Outgoing,
  RaftLimits,
  RaftTimings,
  ReadReady,
  SnapshotMeta,
} from "./types.ts";

export interface Leadership {
  readonly kind: "leader";
  /** Everybody in the configuration in force but this node, and whoever is leaving it until that is committed. */
  readonly progress: Map<NodeId, Progress>;
  readonly reads: ReadQueue;
  /** The entry with which the term began: reads wait for its commit (§6.4 of the dissertation). */
  readonly noopIndex: LogIndex;
  heartbeatDue: number;
  /** From when on the commit index is told to peers that get nothing else. */
  commitNoticeDue: number;
  /** It has not been, since it moved. */
  isNoticePending: boolean;
  /** A read came: the next heartbeats go out at once. */
  heartbeatNow: boolean;
  /** When the quorum is next asked whether it still answers. */
  quorumCheckDue: number;
  uncommittedBytes: number;
  /** Under way: no proposals are taken until the peer leads or the time is over. */
  handover: Handover | undefined;
  /** A handover was begun in this term: its late TimeoutNow may still elect somebody past every lease (R10). */
  leaseIsVoid: boolean;
  /** It has no vote any more and hands over as it goes. */
  isResigning: boolean;
}

export interface Handover {
  readonly to: NodeId;
  readonly due: number;
  isAsked: boolean;
}

export type Role =
  | { readonly kind: "follower"; leader: NodeId | undefined }
  | { readonly kind: "preCandidate"; readonly votes: Map<NodeId, boolean> }
  | {
      readonly kind: "candidate";
      readonly votes: Map<NodeId, boolean>;
      readonly voteWrite: number;
    }
  | Leadership;

/** Set while this node's log is damaged (R9). */
export interface Damage {
  /** Named by a leader; undefined until one has. */
  healIndex: LogIndex | undefined;
  /** The term of the leader that named it: another leader names anew. */
  byTerm: Term | undefined;
}

export interface RaftState {
  readonly id: NodeId;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  readonly random: Random;
  readonly log: RaftLog;
  /** Those of the log from its base on, oldest first; the last one is in force (R12). */
  configurations: readonly ConfigurationAt[];
  now: number;
  term: Term;
  vote: NodeId | undefined;
  role: Role;
  commitIndex: LogIndex;
  damage: Damage | undefined;
  /** Up to here the log matches that of the leader of the present term. */
  matchedLeader: LogIndex;
  electionDue: number;
  /** When this node last heard from a live leader; -Infinity once it has forgotten it. */
  leaderContact: number;
  /** The leader's process is known to be dead: retries are short until there is a new one. */
  hinted: boolean;
  /** Elections begun here, or voted in, since a leader was last heard. */
  elections: number;
  /** No room on the disk: takes no entries, leads nobody. */
  isFull: boolean;
  /** A snapshot to be fetched, said in the next Ready. */
  wanted: { readonly from: NodeId; readonly index: LogIndex } | undefined;
  /** What the next write must carry. */
  readonly dirty: {
    hardState: boolean;
    install: SnapshotMeta | undefined;
    truncateFrom: LogIndex | undefined;
    appendFrom: LogIndex | undefined;
  };
  /** The number of the next write, and the last one known durable. */
  nextWrite: number;
  durableWrite: number;
  readonly outbox: { readonly message: Message; readonly durableFirst: boolean }[];
  readonly readsReady: ReadReady[];
  healed: boolean;
}

/** The state of a node that starts with what its disk held. */
export function openState(options: RaftOptions, reader: LogReader): RaftState {
  const { limits, timings, now } = options;
  const hardState = livedThrough(options);
  const state: RaftState = {
    id: options.id,
    timings,
    limits,
    random: new Random(options.seed),
    log: new RaftLog(reader, options, limits.windowBytes),
    configurations: options.configurations,
    now,
    term: hardState.term,
    vote: hardState.vote,
    role: { kind: "follower", leader: undefined },
    commitIndex: LogIndex(Math.max(options.base.index, options.appliedIndex)),
    damage: options.damaged ? { healIndex: undefined, byTerm: undefined } : undefined,
    matchedLeader: LogIndex(0),
    electionDue: 0,
    // With leases, what it promised before it started is forgotten: it waits as if it had promised just now (R10).
    leaderContact: timings.leaseReads ? now : Number.NEGATIVE_INFINITY,
    hinted: false,
    elections: 0,
    isFull: false,
    wanted: undefined,
    dirty: {
      hardState: hardState !== options.hardState,
      install: undefined,
      truncateFrom: undefined,
      appendFrom: undefined,
    },
    nextWrite: 1,
    durableWrite: 0,
    outbox: [],
    readsReady: [],
    healed: false,
  };
  resetElectionTimer(state);
  return state;
}

/**
 * An installed snapshot may have reached the disk without the term that came with it. The log's last term has begun all
 * the same, and this node has promised nothing in it: else that would be durable. It must not begin it again (R2).
 */
function livedThrough({ hardState, lastTerm }: RaftOptions): HardState {
  return lastTerm > hardState.term ? { term: lastTerm, vote: undefined } : hardState;
}

/** A message that may leave at once. */
export function send(state: RaftState, message: Message): void {
  state.outbox.push({ message, durableFirst: false });
}

/** An answer that promises something: it waits for every write so far, the one being gathered included (R5). */
export function sendWhenDurable(state: RaftState, message: Message): void {
  state.outbox.push({ message, durableFirst: true });
}

/** Whether something must be written. */
export function isDirty({ dirty }: RaftState): boolean {
  return (
    dirty.hardState ||
    dirty.install !== undefined ||
    dirty.truncateFrom !== undefined ||
    dirty.appendFrom !== undefined
  );
}

/** The configuration in force (R12). */
export function inForce({ configurations }: RaftState): ConfigurationAt {
  const last = configurations.at(-1);
  assert(last !== undefined, "there is always a configuration");
  return last;
}

/** Numbers the gathered messages by the write they wait for: the last one begun, or the one that is to come. */
export function drainOutbox(state: RaftState): Outgoing[] {
  const newest = isDirty(state) ? state.nextWrite : state.nextWrite - 1;
  const afterWrite = newest > state.durableWrite ? newest : 0;
  return state.outbox
    .splice(0)
    .map(({ message, durableFirst }) => ({ message, afterWrite: durableFirst ? afterWrite : 0 }));
}

/** Follows in a term, which may be the present one; a vote given in it is kept (R1; NATS #7698, CCF #8094). */
export function becomeFollower(state: RaftState, term: Term, leader: NodeId | undefined): void {
  if (state.role.kind === "leader") failReads(state, state.role);
  if (term > state.term) {
    state.term = term;
    state.vote = undefined;
    state.dirty.hardState = true;
    state.matchedLeader = LogIndex(0);
  }
  state.role = { kind: "follower", leader };
  resetElectionTimer(state);
}

function failReads(state: RaftState, leadership: Leadership): void {
  for (const id of leadership.reads.drain()) state.readsReady.push({ id, index: undefined });
}

/** Heard from the leader: the deadline starts anew, with a new random length. */
export function resetElectionTimer(state: RaftState): void {
  const { electionMinMs, electionMaxMs } = state.timings;
  state.electionDue = state.now + state.random.between(electionMinMs, electionMaxMs);
}

/** How long a candidate may come to wait for votes, in shortest election time-outs: syncs of a second and more pass. */
const longestRetry = 8;

/**
 * Time to the next try of a candidate that has not won. While votes are being written a new election voids them: so the
 * range doubles with each election in a row that brought no leader, or disks that take longer than the range
 * would never let anybody win.
 */
export function resetRetryTimer(state: RaftState, elections = 0): void {
  const { timings, random, now, hinted } = state;
  let [low, high] = hinted
    ? [timings.hintRetryMinMs, timings.hintRetryMaxMs]
    : [timings.retryMinMs, timings.retryMaxMs];
  for (let i = 1; i < elections && high * 2 <= timings.electionMinMs * longestRetry; i += 1) {
    low *= 2;
    high *= 2;
  }
  state.electionDue = now + random.between(low, high);
}

/** It gave its vote: the election gets as long as its candidate gives it, and at least the usual patience. */
export function awaitElection(state: RaftState): void {
  resetRetryTimer(state, state.elections);
  const retry = state.electionDue;
  resetElectionTimer(state);
  state.electionDue = Math.max(state.electionDue, retry);
}

/** Whether a live leader was heard within the shortest election time-out (R8). A leader hears itself. */
export function hearsLeader(state: RaftState): boolean {
  return (
    state.role.kind === "leader" || state.now - state.leaderContact < state.timings.electionMinMs
  );
}

/**
 * Whether this node may stand for election. One that a change has removed still may while that change is not committed,
 * as far as it knows: it may be the only one with a log long enough, and its vote still be needed (dissertation §4.2.2).
 */
export function isPromotable(state: RaftState): boolean {
  const { damage, isFull, id, commitIndex, configurations } = state;
  if (damage !== undefined || isFull) return false;
  const { index, configuration } = inForce(state);
  if (isVoter(configuration, id)) return true;
  const before = configurations.at(-2)?.configuration;
  return index > commitIndex && before !== undefined && isVoter(before, id);
}

/** Raises the commit index, never lowers it (R4). */
export function commitTo(state: RaftState, index: LogIndex): void {
  if (index > state.commitIndex) state.commitIndex = index;
}
