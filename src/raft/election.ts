/**
 * Elections: pre-vote, vote, and who may win (§5.2, §5.4.1; dissertation §9.6 for pre-vote).
 *
 * Beyond the paper: a voter that hears a live leader refuses (R8); a pre-vote refusal carries the voter's term; a
 * leader needs its own vote durable, so that a node can never lead one term twice; a dead process is a hint.
 */
import { LogIndex, type NodeId, Term } from "../lib/types.ts";
import { isVoter, members, voteResult } from "./quorum.ts";
import {
  awaitElection,
  becomeFollower,
  hearsLeader,
  inForce,
  isPromotable,
  type RaftState,
  resetElectionTimer,
  resetRetryTimer,
  send,
  sendWhenDurable,
} from "./state.ts";
import type { PreVote, PreVoteReply, Vote, VoteReply } from "./types.ts";

/** The election deadline passed: asks around before it disturbs anybody. */
export function startPreVote(state: RaftState): void {
  if (!isPromotable(state)) {
    resetElectionTimer(state);
    return;
  }
  const votes = new Map([[state.id, true]]);
  state.role = { kind: "preCandidate", votes };
  resetRetryTimer(state);
  for (const peer of otherVoters(state))
    send(state, {
      kind: "preVote",
      from: state.id,
      to: peer,
      term: Term(state.term + 1),
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
    });
  countPreVotes(state, votes);
}

/**
 * Stands for election in the next term. The requests leave at once; its own vote counts when it is durable (R2).
 * @param handover the leader asked for it
 */
export function startElection(state: RaftState, handover = false): void {
  state.term = Term(state.term + 1);
  state.vote = state.id;
  state.dirty.hardState = true;
  state.matchedLeader = LogIndex(0);
  state.role = { kind: "candidate", votes: new Map(), voteWrite: state.nextWrite };
  state.elections += 1;
  resetRetryTimer(state, state.elections);
  for (const peer of otherVoters(state))
    send(state, {
      kind: "vote",
      from: state.id,
      to: peer,
      term: state.term,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
      handover,
    });
}

/** The candidate's own vote is durable. */
export function ownVoteDurable(state: RaftState): void {
  if (state.role.kind !== "candidate" || state.durableWrite < state.role.voteWrite) return;
  state.role.votes.set(state.id, true);
}

export function onPreVote(state: RaftState, message: PreVote): void {
  const granted =
    message.term > state.term &&
    state.damage === undefined &&
    !hearsLeader(state) &&
    state.log.isUpToDate(message.lastIndex, message.lastTerm);
  // A grant repeats the term asked for, since this voter has not moved to it; a refusal tells its own.
  send(state, {
    kind: "preVoteReply",
    from: state.id,
    to: message.from,
    term: granted ? message.term : state.term,
    granted,
  });
}

export function onPreVoteReply(state: RaftState, message: PreVoteReply): void {
  if (!message.granted && message.term > state.term) {
    // A late refusal must not unseat a leader that is heard; its own heartbeats will meet the newer term.
    if (hearsLeader(state)) return;
    becomeFollower(state, message.term, undefined);
    // It learned of an election it missed, not of a leader: it tries again soon.
    resetRetryTimer(state);
    return;
  }
  if (state.role.kind !== "preCandidate") return;
  if (message.granted && message.term !== state.term + 1) return; // of an earlier try
  const { votes } = state.role;
  votes.set(message.from, message.granted);
  countPreVotes(state, votes);
}

function countPreVotes(state: RaftState, votes: ReadonlyMap<NodeId, boolean>): void {
  const result = voteResult(inForce(state).configuration, votes);
  if (result === "won") startElection(state);
  if (result === "lost") {
    state.role = { kind: "follower", leader: undefined };
    resetRetryTimer(state);
  }
}

/** A vote request of the present term: a newer one made us follow that term first, an older one was refused there. */
export function onVote(state: RaftState, message: Vote): void {
  const granted =
    (state.vote === undefined || state.vote === message.from) &&
    state.role.kind === "follower" &&
    state.role.leader === undefined &&
    state.damage === undefined &&
    state.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (granted) {
    if (state.vote === undefined) {
      state.vote = message.from;
      state.dirty.hardState = true;
      state.elections += 1;
    }
    awaitElection(state);
  }
  sendWhenDurable(state, {
    kind: "voteReply",
    from: state.id,
    to: message.from,
    term: state.term,
    granted,
  });
}

/** Counts a vote of the present term. Each voter counts once, however often its answer comes. */
export function onVoteReply(state: RaftState, message: VoteReply): void {
  if (state.role.kind !== "candidate") return;
  state.role.votes.set(message.from, message.granted);
}

/** What the votes of a candidate say, its own included only when durable. */
export function electionWon(state: RaftState): boolean {
  if (state.role.kind !== "candidate") return false;
  const { votes } = state.role;
  const result = voteResult(inForce(state).configuration, votes);
  if (result === "lost") {
    state.role = { kind: "follower", leader: undefined };
    resetRetryTimer(state);
    return false;
  }
  return result === "won" && votes.get(state.id) === true;
}

/**
 * A peer's process is known to be dead. If it led us, forget it for pre-vote and vote, and stand in turn: the voters
 * that are left start {@link RaftTimings.hintRankMs} apart, so that the first usually wins unopposed. A lease is a
 * promise to a leader that may only seem dead: with leases on, nothing is forgotten (R10).
 */
export function onPeerDied(state: RaftState, peer: NodeId): void {
  if (state.timings.leaseReads) return;
  if (state.role.kind !== "follower" || state.role.leader !== peer) return;
  state.role = { kind: "follower", leader: undefined };
  state.leaderContact = Number.NEGATIVE_INFINITY;
  state.hinted = true;
  const rank = [...inForce(state).configuration.voters]
    .filter((voter) => voter !== peer)
    .sort()
    .indexOf(state.id);
  state.electionDue =
    state.now + Math.max(0, rank) * state.timings.hintRankMs + state.random.between(0, 4);
}

function otherVoters(state: RaftState): NodeId[] {
  const { configuration } = inForce(state);
  return members(configuration).filter((node) => node !== state.id && isVoter(configuration, node));
}
