/**
 * The follower's half of replication (§5.3): accept what continues the log, refuse with a hint what does not, and
 * promise only what is durable (R5).
 */
import { assert, LogIndex, type NodeId } from "../lib/types.ts";
import { configurationsAppended, configurationsTruncated } from "./configuration-history.ts";
import { lastIndexAtMostTerm } from "./progress.ts";
import {
  becomeFollower,
  commitTo,
  type RaftState,
  resetElectionTimer,
  send,
  sendWhenDurable,
} from "./state.ts";
import type { Append, AppendReply, Entry, Heartbeat, SnapshotOffer } from "./types.ts";

/** A message of the present term from its leader, whatever this node took itself for. */
export function followLeader(state: RaftState, leader: NodeId): void {
  assert(state.role.kind !== "leader", "a term has one leader (R2)");
  if (state.role.kind !== "follower" || state.role.leader !== leader)
    becomeFollower(state, state.term, leader);
  state.leaderContact = state.now;
  state.hinted = false;
  state.elections = 0;
  resetElectionTimer(state);
}

export function onAppend(state: RaftState, message: Append): void {
  noteHealIndex(state, message);
  // No room: unanswered, the leader's window stays shut, while heartbeats say that this node lives.
  if (state.isFull && message.entries.length > 0) return;
  const { log } = state;
  // What is committed here is equal in every log (R4): no need to look below it.
  if (message.prevIndex < state.commitIndex) {
    const known = message.entries.at(-1)?.index ?? message.prevIndex;
    if (known <= state.commitIndex) {
      replyMatched(state, message.from, state.commitIndex);
      return;
    }
  }
  if (message.prevIndex >= log.base.index && log.term(message.prevIndex) !== message.prevTerm) {
    refuse(state, message);
    return;
  }
  const lastNew = LogIndex(message.prevIndex + message.entries.length);
  store(state, message.entries);
  commitTo(state, LogIndex(Math.min(message.leaderCommit, lastNew)));
  replyMatched(state, message.from, lastNew);
}

/** Keeps what agrees, replaces from the first entry that does not (never below the commit index). */
function store(state: RaftState, entries: readonly Entry[]): void {
  const { log } = state;
  const first = entries.findIndex(
    (entry) => entry.index > log.base.index && log.term(entry.index) !== entry.term,
  );
  const added = first < 0 ? [] : entries.slice(first);
  const [from] = added;
  if (from === undefined) return;
  if (from.index <= log.lastIndex) {
    assert(from.index > state.commitIndex, "committed entries are never replaced (R4)");
    log.truncateFrom(from.index);
    configurationsTruncated(state, from.index);
    state.dirty.truncateFrom = LogIndex(
      Math.min(state.dirty.truncateFrom ?? from.index, from.index),
    );
  }
  log.append(added);
  configurationsAppended(state, added);
  state.dirty.appendFrom = LogIndex(Math.min(state.dirty.appendFrom ?? from.index, from.index));
}

/** Tells the leader the last entry here whose term is at most its own there: it may skip whole terms. */
function refuse(state: RaftState, message: Append): void {
  const { log } = state;
  const hintIndex = lastIndexAtMostTerm(
    (index) => log.term(index),
    LogIndex(Math.min(message.prevIndex, log.lastIndex)),
    message.prevTerm,
    log.base.index,
  );
  reply(state, message.from, {
    kind: "conflict",
    prevIndex: message.prevIndex,
    hintIndex,
    hintTerm: log.term(hintIndex) ?? log.base.term, // unreachable: the hint lies between the base and the end
  });
}

/**
 * Tells the leader that the log agrees with its own up to here. A damaged node notes it too, whichever way it was found
 * out: an idle leader, which sends no entries, would else never see it whole again (R9).
 */
export function replyMatched(state: RaftState, to: NodeId, matchIndex: LogIndex): void {
  if (matchIndex > state.matchedLeader) state.matchedLeader = matchIndex;
  reply(state, to, { kind: "matched", matchIndex });
}

function reply(state: RaftState, to: NodeId, result: AppendReply["result"]): void {
  sendWhenDurable(state, {
    kind: "appendReply",
    from: state.id,
    to,
    term: state.term,
    result,
    damaged: state.damage !== undefined,
  });
}

export function onHeartbeat(state: RaftState, message: Heartbeat): void {
  noteHealIndex(state, message);
  // The leader caps it at what it knows to match here, so it lies within this log; a damaged log may be shorter.
  commitTo(state, LogIndex(Math.min(message.commit, state.log.lastIndex)));
  send(state, {
    kind: "heartbeatReply",
    from: state.id,
    to: message.from,
    term: state.term,
    readPosition: message.readPosition,
    sentAt: message.sentAt,
    damaged: state.damage !== undefined,
  });
}

export function noteHealIndex(state: RaftState, message: Append | Heartbeat | SnapshotOffer): void {
  if (state.damage === undefined || message.healIndex === undefined) return;
  if (state.damage.byTerm === message.term) return;
  state.damage.byTerm = message.term;
  state.damage.healIndex = message.healIndex;
}

/** Whole again once durable and matching the leader that named the index, up to it (R9). */
export function healIfWhole(state: RaftState): void {
  const { damage } = state;
  if (damage?.healIndex === undefined || damage.byTerm !== state.term) return;
  const whole = Math.min(state.log.durableIndex, state.matchedLeader);
  if (whole < damage.healIndex) return;
  state.damage = undefined;
  state.healed = true;
  // Its vote of this term may be forgotten; it may not give another one (R1). Whoever leads the term had a majority.
  if (state.vote === undefined && state.role.kind === "follower") {
    state.vote = state.role.leader;
    state.dirty.hardState = true;
  }
}
