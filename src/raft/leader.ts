/**
 * The leader: replicate, commit by durable majority in its own term (§5.3, §5.4.2), keep the quorum (CheckQuorum),
 * confirm reads.
 */
import { LogIndex, type NodeId } from "../lib/types.ts";
import { entryBytes } from "./log.ts";
import { lastIndexAtMostTerm, Progress } from "./progress.ts";
import { members, quorumValue } from "./quorum.ts";
import { ReadQueue } from "./read-queue.ts";
import { configurationsAppended } from "./configuration-history.ts";
import { continueHandover } from "./handover.ts";
import { offerSnapshot } from "./snapshot.ts";
import {
  becomeFollower,
  commitTo,
  inForce,
  type Leadership,
  type RaftState,
  send,
} from "./state.ts";
import type { Append, AppendReply, Entry, HeartbeatReply, PeerView } from "./types.ts";

export function becomeLeader(state: RaftState): void {
  const next = LogIndex(state.log.lastIndex + 1);
  const progress = new Map(
    members(inForce(state).configuration)
      .filter((node) => node !== state.id)
      .map((node) => [node, new Progress(node, next, state.limits)] as const),
  );
  const leadership: Leadership = {
    kind: "leader",
    progress,
    reads: new ReadQueue(),
    noopIndex: next,
    heartbeatDue: state.now,
    commitNoticeDue: state.now,
    isNoticePending: false,
    heartbeatNow: true,
    quorumCheckDue: state.now + state.timings.electionMinMs,
    // The tail of earlier terms counts against the quota too, or it could grow at each election (etcd-io/raft #11).
    uncommittedBytes: uncommittedBytes(state, state.log.lastIndex),
    handover: undefined,
    leaseIsVoid: false,
    isResigning: false,
  };
  state.role = leadership;
  state.hinted = false;
  state.elections = 0;
  state.wanted = undefined;
  appendAsLeader(state, leadership, [{ kind: "noop", data: new Uint8Array(0) }]);
}

/** What the entries from the commit index to an index take of the quota. Read in parts: it may be much. */
function uncommittedBytes({ log, commitIndex, limits }: RaftState, to: LogIndex): number {
  let bytes = 0;
  for (let from = LogIndex(commitIndex + 1); from <= to;) {
    const entries = log.take(from, limits.appendBytes);
    for (const entry of entries) if (entry.index <= to) bytes += entryBytes(entry);
    from = LogIndex(from + entries.length);
  }
  return bytes;
}

export function appendAsLeader(
  state: RaftState,
  leadership: Leadership,
  items: readonly { readonly kind: Entry["kind"]; readonly data: Uint8Array }[],
): void {
  const from = LogIndex(state.log.lastIndex + 1);
  const entries = items.map(({ kind, data }, i) => ({
    index: LogIndex(from + i),
    term: state.term,
    kind,
    data,
  }));
  state.log.append(entries);
  configurationsAppended(state, entries);
  for (const entry of entries) leadership.uncommittedBytes += entryBytes(entry);
  state.dirty.appendFrom ??= from;
}

/**
 * Sends to every peer what its window allows. Called once per turn, so proposals of a turn share messages.
 * @param telling the commit index alone is worth a message
 */
export function replicate(
  state: RaftState,
  leadership: Leadership,
  telling = state.now >= leadership.commitNoticeDue,
): void {
  for (const progress of leadership.progress.values()) {
    if (progress.offer) offerSnapshot(state, progress);
    if (progress.verify) sendVerification(state, progress);
    while (!progress.paused && sendAppend(state, progress, telling));
  }
  if (telling) leadership.isNoticePending = false;
}

/** An empty append after all that was sent: a peer that lacks some of it refuses, and is probed. */
function sendVerification(state: RaftState, progress: Progress): void {
  progress.verify = false;
  const prevIndex = LogIndex(progress.nextIndex - 1);
  const prevTerm = state.log.term(prevIndex);
  // undefined: compacted meanwhile, so what is not acknowledged yet has to come by snapshot.
  if (prevTerm === undefined) progress.needsSnapshot();
  else sendEntries(state, progress, { prevIndex, prevTerm, entries: [] });
}

/** Sends one append; returns whether another may follow. */
function sendAppend(state: RaftState, progress: Progress, telling: boolean): boolean {
  const { log, limits } = state;
  const behind = progress.nextIndex <= log.lastIndex;
  const probing = progress.state === "probe";
  if (!behind && !probing && (!telling || progress.sentCommit >= state.commitIndex)) return false;
  const prevIndex = LogIndex(progress.nextIndex - 1);
  const prevTerm = log.term(prevIndex);
  // A probe only asks where the logs agree: entries wait until it is known.
  const entries = probing ? [] : log.slice(progress.nextIndex, limits.appendBytes);
  if (prevTerm === undefined || entries === undefined) {
    progress.needsSnapshot();
    offerSnapshot(state, progress);
    return false;
  }
  sendEntries(state, progress, { prevIndex, prevTerm, entries });
  progress.sent(
    LogIndex(prevIndex + entries.length),
    entries.reduce((bytes, entry) => bytes + entryBytes(entry), 0),
  );
  return entries.length > 0;
}

function sendEntries(
  state: RaftState,
  progress: Progress,
  part: Pick<Append, "prevIndex" | "prevTerm" | "entries">,
): void {
  send(state, {
    kind: "append",
    from: state.id,
    to: progress.peer,
    term: state.term,
    ...part,
    leaderCommit: state.commitIndex,
    healIndex: progress.healIndex,
  });
  progress.sentCommit = state.commitIndex;
}

export function broadcastHeartbeat(state: RaftState, leadership: Leadership): void {
  leadership.heartbeatDue = state.now + state.timings.heartbeatMs;
  leadership.heartbeatNow = false;
  for (const progress of leadership.progress.values())
    send(state, {
      kind: "heartbeat",
      from: state.id,
      to: progress.peer,
      term: state.term,
      commit: LogIndex(Math.min(progress.matchIndex, state.commitIndex)),
      readPosition: leadership.reads.position,
      // Rounded down: a lease may count from too early, never from too late.
      sentAt: Math.floor(state.now),
      healIndex: progress.healIndex,
    });
}

export function onAppendReply(
  state: RaftState,
  leadership: Leadership,
  message: AppendReply,
): void {
  const progress = leadership.progress.get(message.from);
  if (progress === undefined) return;
  noteContact(state, progress, message.damaged);
  const { result } = message;
  if (result.kind === "matched") {
    progress.matched(result.matchIndex, state.log.base.index);
    continueHandover(state, leadership);
    return;
  }
  // What a damaged peer once acknowledged may be gone; nothing it acknowledges counts, so forgetting is safe (R9).
  if (message.damaged && result.hintIndex < progress.matchIndex) progress.matchIndex = LogIndex(0);
  const retryAt = lastIndexAtMostTerm(
    (index) => state.log.term(index),
    LogIndex(Math.min(result.hintIndex, state.log.lastIndex)),
    result.hintTerm,
    state.log.base.index,
  );
  progress.conflicted(result.prevIndex, retryAt);
}

/** For people, and for whoever decides about members. */
export function peerView({
  state,
  matchIndex,
  lastContact,
  healIndex,
  inflight,
}: Progress): PeerView {
  return { state, matchIndex, lastContact, damaged: healIndex !== undefined, inflight };
}

export function peerViews({ progress }: Leadership): ReadonlyMap<NodeId, PeerView> {
  return new Map([...progress].map(([peer, each]) => [peer, peerView(each)]));
}

export function onHeartbeatReply(
  state: RaftState,
  leadership: Leadership,
  message: HeartbeatReply,
): void {
  const progress = leadership.progress.get(message.from);
  if (progress === undefined) return;
  noteContact(state, progress, message.damaged);
  progress.ackedRead = Math.max(progress.ackedRead, message.readPosition);
  progress.leaseFrom = Math.max(progress.leaseFrom, Math.min(message.sentAt, state.now));
  progress.heartbeatAnswered();
}

function noteContact(state: RaftState, progress: Progress, damaged: boolean): void {
  progress.lastContact = state.now;
  if (damaged && progress.healIndex === undefined) progress.damaged(state.log.lastIndex);
  if (!damaged) progress.healIndex = undefined;
}

/** What broke in between is sent again from what is known to match. */
export function onUnreachable(leadership: Leadership, peer: NodeId): void {
  const progress = leadership.progress.get(peer);
  if (progress === undefined) return;
  if (progress.healIndex !== undefined) {
    // It must announce its damage again, and hear a new index, after whatever happened to it.
    progress.matchIndex = LogIndex(0);
    progress.healIndex = undefined;
  }
  progress.probe();
  // Nothing is sent into the void: the next heartbeat that is answered lets the probe out.
  progress.probing = true;
}

/** Commits what a quorum holds durably, if it is of this term (R3), and confirms what reads it can (R7). */
export function advance(state: RaftState, leadership: Leadership): void {
  const { configuration } = inForce(state);
  const counted = (of: (progress: Progress) => number, own: number) => (voter: NodeId) => {
    if (voter === state.id) return own;
    const progress = leadership.progress.get(voter);
    // unreachable: every voter has a progress
    return progress === undefined || progress.healIndex !== undefined ? 0 : of(progress);
  };
  const index = LogIndex(
    quorumValue(
      configuration,
      counted((progress) => progress.matchIndex, state.log.durableIndex),
    ),
  );
  if (index > state.commitIndex && state.log.term(index) === state.term) {
    leadership.uncommittedBytes -= uncommittedBytes(state, index);
    commitTo(state, index);
    if (!leadership.isNoticePending) {
      leadership.isNoticePending = true;
      leadership.commitNoticeDue = state.now + state.timings.commitNoticeMs;
    }
  }
  if (state.commitIndex < leadership.noopIndex) return;
  const position = quorumValue(
    configuration,
    counted((progress) => progress.ackedRead, leadership.reads.position),
  );
  for (const read of leadership.reads.confirm(position)) state.readsReady.push(read);
}

/** A leader that a quorum has not answered for an election time-out steps down and falls silent (openraft #2080). */
export function checkQuorum(state: RaftState, leadership: Leadership): void {
  // Twice per time-out, so that silence is noticed at most half a time-out late.
  leadership.quorumCheckDue = state.now + state.timings.electionMinMs / 2;
  const since = state.now - state.timings.electionMinMs;
  const alive = quorumValue(inForce(state).configuration, (voter) => {
    if (voter === state.id) return 1;
    // unreachable: every voter has a progress
    const contact = leadership.progress.get(voter)?.lastContact ?? Number.NEGATIVE_INFINITY;
    return contact >= since ? 1 : 0;
  });
  if (alive < 1) becomeFollower(state, state.term, undefined);
}
