/**
 * The vocabulary of the consensus core: what it is told (events), what it asks for (a {@link Ready}), and what it
 * says to its peers (messages). Words are the paper's (Ongaro and Ousterhout 2014; dissertation 2014).
 */
import type { LogIndex, NodeId, Term } from "../lib/types.ts";

/** One log entry. `data` is opaque here: a command of the state machine, or a configuration. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: "noop" | "command" | "configuration";
  readonly data: Uint8Array;
}

/** What must be durable before an answer leaves (§5.1 "Persistent state", without the log). */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId | undefined;
}

/** Who votes; see configuration.ts for its invariants. All lists ascend. */
export interface Configuration {
  readonly voters: readonly NodeId[];
  /** The old half of a joint configuration (§6), empty outside a change. */
  readonly outgoing: readonly NodeId[];
  /** Receive the log and do not vote. */
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing half that become learners when it is left. */
  readonly learnersNext: readonly NodeId[];
  /** The leader leaves the joint configuration by itself as soon as it is committed. */
  readonly autoLeave: boolean;
}

/** A configuration and the log entry that brought it; index 0: the founders'. */
export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** The entry just before the log's first one: index 0, term 0 of a log that was never compacted. */
export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
}

/** What a snapshot of the applied state stands for: every entry up to `index`, and the configuration as of it. */
export interface SnapshotMeta extends LogBase {
  readonly configuration: Configuration;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** Asks whether an election could be won, without disturbing anybody (dissertation §9.6). `term` is the one it would start. */
export interface PreVote extends Envelope {
  readonly kind: "preVote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}
/** A grant repeats the term asked for; a refusal carries the voter's own term, which the asker adopts (openraft #1796). */
export interface PreVoteReply extends Envelope {
  readonly kind: "preVoteReply";
  readonly granted: boolean;
}
/** RequestVote (§5.2). */
export interface Vote extends Envelope {
  readonly kind: "vote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader itself asked for this election (dissertation §3.10): a voter that hears it need not protect it (R8). */
  readonly handover: boolean;
}
export interface VoteReply extends Envelope {
  readonly kind: "voteReply";
  readonly granted: boolean;
}
/** AppendEntries with entries, or with none to probe or to tell the commit index (§5.3). */
export interface Append extends Envelope {
  readonly kind: "append";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly leaderCommit: LogIndex;
  /** For a peer that announced damage: it is whole again once durable up to here (invariant R9). */
  readonly healIndex: LogIndex | undefined;
}
export interface AppendReply extends Envelope {
  readonly kind: "appendReply";
  readonly result:
    | { readonly kind: "matched"; readonly matchIndex: LogIndex }
    /** The follower's last entry at or below the refused one whose term is at most the leader's there. */
    | {
        readonly kind: "conflict";
        readonly prevIndex: LogIndex;
        readonly hintIndex: LogIndex;
        readonly hintTerm: Term;
      };
  readonly damaged: boolean;
}
/** Keeps the leadership and confirms reads; never waits for a disk on either side. */
export interface Heartbeat extends Envelope {
  readonly kind: "heartbeat";
  /** min(leader's commit, what the leader knows to match on this peer). */
  readonly commit: LogIndex;
  /** The newest read that this round confirms (monotone, so late or doubled answers confirm nothing newer: etcd #20418). */
  readonly readPosition: number;
  /** The leader's own monotonic ms when it was made, given back in the reply: leases count from it (R10). */
  readonly sentAt: number;
  readonly healIndex: LogIndex | undefined;
}
export interface HeartbeatReply extends Envelope {
  readonly kind: "heartbeatReply";
  readonly readPosition: number;
  readonly sentAt: number;
  readonly damaged: boolean;
}
/** The peer's log ends before the leader's begins: it needs a snapshot of the state as of `index` or later (§7). */
export interface SnapshotOffer extends Envelope {
  readonly kind: "snapshotOffer";
  readonly index: LogIndex;
  readonly healIndex: LogIndex | undefined;
}
/** The leader hands over: stand for election at once (dissertation §3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: "timeoutNow";
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | SnapshotOffer
  | TimeoutNow;

/** What the core is told. Every call carries `now`, monotonic milliseconds of this process. */
export type RaftEvent =
  /** A deadline may have passed (see {@link Raft.deadline}). */
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly message: Message }
  /** All writes up to this one are durable. */
  | { readonly kind: "persisted"; readonly write: number }
  /** The connection to a peer broke: what was in flight may be lost. */
  | { readonly kind: "unreachable"; readonly peer: NodeId }
  /** A peer's process is dead (its port refuses): a hint, never proof (design section 9). */
  | { readonly kind: "peerDied"; readonly peer: NodeId }
  /** The log store has forgotten every entry up to this one: durable there already. */
  | { readonly kind: "compacted"; readonly base: LogBase }
  /** A snapshot that was wanted lies complete and checked on this node's disk, ready to be installed. */
  | { readonly kind: "snapshotStaged"; readonly snapshot: SnapshotMeta }
  /** The disk has (no) room: without, this node takes no entries and leads nobody. */
  | { readonly kind: "storage"; readonly full: boolean };

/**
 * One synced write: first the hard state, then the installation, then the truncation, then the entries; all or
 * nothing but for the installation, which happens whole before what follows it.
 */
export interface PersistWrite {
  /** Counts up by one; reported back in `persisted`. */
  readonly write: number;
  readonly hardState: HardState | undefined;
  /** The staged snapshot takes the place of the state and of the whole log, which then begins after it. */
  readonly install: SnapshotMeta | undefined;
  /** Entries from here on are replaced. */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly Entry[];
}

export interface Outgoing {
  readonly message: Message;
  /** Send only when this write is durable; 0: at once. */
  readonly afterWrite: number;
}

export interface ReadReady {
  readonly id: number;
  /** Answer from a state that has applied this index; undefined: not the leader any more, ask again. */
  readonly index: LogIndex | undefined;
}

/** Everything the core wants done since the last time. The driver does it in this order. */
export interface Ready {
  readonly persist: PersistWrite | undefined;
  readonly messages: readonly Outgoing[];
  /** Apply up to here: committed, and durable on this node. */
  readonly applyTo: LogIndex;
  readonly reads: readonly ReadReady[];
  /** The role changed since the last Ready. */
  readonly role: RoleView | undefined;
  /** Damage is healed: rewrite the mark. */
  readonly healed: boolean;
  /** Fetch a snapshot of the state as of `index` or later from this peer, unless that is under way; then `snapshotStaged`. */
  readonly fetch: { readonly from: NodeId; readonly index: LogIndex } | undefined;
  /** The configuration in force changed (by an entry appended, taken back or installed; not necessarily committed). */
  readonly configuration: ConfigurationAt | undefined;
}

/** What a leader knows of a peer, for people and for whoever decides about members. */
export interface PeerView {
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: LogIndex;
  /** Local ms of its last message; -Infinity: none in this term. */
  readonly lastContact: number;
  readonly damaged: boolean;
  readonly inflight: number;
}

export interface RoleView {
  readonly kind: "follower" | "preCandidate" | "candidate" | "leader";
  readonly term: Term;
  readonly leader: NodeId | undefined;
}

/** All times in milliseconds. */
export interface RaftTimings {
  /** A leader speaks to each peer at least this often. */
  readonly heartbeatMs: number;
  /** Silence after which a follower suspects its leader: uniform in [min, max], redrawn on each contact. */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /** A candidate that has not won tries again after a time in this range (Howard 2014). */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** The same while the leader's process is known to be dead. */
  readonly hintRetryMinMs: number;
  readonly hintRetryMaxMs: number;
  /**
   * A commit that no entry takes along is told to the peers after this: under load the next append is sooner. What waits
   * for it is their applying, not the client.
   */
  readonly commitNoticeMs: number;
  /** Survivors of a dead leader start one after the other, this far apart, so that votes do not split. */
  readonly hintRankMs: number;
  /**
   * Serve reads without a round of heartbeats while a quorum's answers promise that nobody else was elected (R10).
   * All nodes must agree on it. Default: false.
   */
  readonly leaseReads: boolean;
  /** How much faster than another node's a clock may run, in thousandths. Default: 100, a tenth. */
  readonly leaseDriftPerMille: number;
}

export const defaultTimings: RaftTimings = {
  heartbeatMs: 100,
  // Six heartbeats: a loaded machine delays some, a dead one all of them.
  electionMinMs: 600,
  electionMaxMs: 900,
  // A split vote costs this, not another detection period.
  retryMinMs: 150,
  retryMaxMs: 300,
  hintRetryMinMs: 30,
  hintRetryMaxMs: 60,
  commitNoticeMs: 3,
  hintRankMs: 15,
  leaseReads: false,
  leaseDriftPerMille: 100,
};

export interface RaftLimits {
  /** Bytes of entries in one append message (one larger entry goes alone). */
  readonly appendBytes: number;
  /** Appends sent to a peer and not answered. */
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  /** Bytes proposed and not yet committed, the tail inherited from earlier leaders included (etcd-io/raft #11). */
  readonly uncommittedBytes: number;
  /** Bytes of recent entries kept in memory for replication. */
  readonly windowBytes: number;
  /** Reads waiting for a confirmation. */
  readonly pendingReads: number;
}

export const defaultLimits: RaftLimits = {
  appendBytes: 1024 * 1024,
  inflightMessages: 256,
  inflightBytes: 8 * 1024 * 1024,
  uncommittedBytes: 64 * 1024 * 1024,
  // What a peer may have in flight: whoever is further behind is served from the store. An entry costs several times its
  // bytes here.
  windowBytes: 8 * 1024 * 1024,
  pendingReads: 10_000,
};
