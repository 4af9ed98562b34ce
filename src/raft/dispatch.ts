/** Which message goes where, by its term: newer ones first make this node follow that term, older ones are answered. */
import { assertNever } from "../lib/types.ts";
import { onPreVote, onPreVoteReply, onVote, onVoteReply, startElection } from "./election.ts";
import { followLeader, onAppend, onHeartbeat } from "./follower.ts";
import { onAppendReply, onHeartbeatReply } from "./leader.ts";
import { onSnapshotOffer } from "./snapshot.ts";
import {
  becomeFollower,
  hearsLeader,
  isPromotable,
  type RaftState,
  send,
  sendWhenDurable,
} from "./state.ts";
import type { Message } from "./types.ts";

type TermMessage = Exclude<Message, { readonly kind: "preVote" | "preVoteReply" }>;

export function onMessage(state: RaftState, message: Message): void {
  // These two speak of a term that nobody has entered.
  if (message.kind === "preVote") onPreVote(state, message);
  else if (message.kind === "preVoteReply") onPreVoteReply(state, message);
  else if (message.term < state.term) answerStale(state, message);
  else {
    if (message.term > state.term && !enterTerm(state, message)) return;
    onCurrent(state, message);
  }
}

/** Follows a newer term; false when the message is not to be heard at all. */
function enterTerm(state: RaftState, message: TermMessage): boolean {
  // A node that hears a live leader does not let a candidate raise its term (R8, dissertation §4.2.3), unless that
  // leader sent it.
  if (message.kind === "vote" && hearsLeader(state) && !message.handover) return false;
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : undefined);
  return true;
}

/** Whether only a leader says this. */
function isFromLeader({ kind }: Message): boolean {
  return kind === "append" || kind === "heartbeat" || kind === "snapshotOffer";
}

/** Tells an old leader or candidate of the newer term; drops old answers. */
function answerStale(state: RaftState, message: TermMessage): void {
  const { id: from, term } = state;
  const to = message.from;
  if (isFromLeader(message)) {
    const damaged = state.damage !== undefined;
    // With pre-vote and a quorum check, an ousted leader is told, or a higher-term node could stay alone (etcd #8501).
    const answer = { from, to, term, readPosition: 0, sentAt: 0, damaged };
    sendWhenDurable(state, { kind: "heartbeatReply", ...answer });
  }
  if (message.kind === "vote") send(state, { kind: "voteReply", from, to, term, granted: false });
}

/** A message of the present term. */
function onCurrent(state: RaftState, message: TermMessage): void {
  const { role } = state;
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
    case "snapshotOffer":
      followLeader(state, message.from);
      onSnapshotOffer(state, message);
      return;
    case "timeoutNow":
      if (role.kind === "follower" && isPromotable(state)) startElection(state, true);
      return;
    case "appendReply":
      if (role.kind === "leader") onAppendReply(state, role, message);
      return;
    case "heartbeatReply":
      if (role.kind === "leader") onHeartbeatReply(state, role, message);
      return;
    default: // unreachable: every kind is above
      assertNever(message, "message");
  }
}
