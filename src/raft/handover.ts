/**
 * Leadership transfer (dissertation §3.10): the leader takes no more proposals, brings one voter up to date, and asks
 * it to stand at once. Its request for votes says so, and voters need not protect the leader from it (R8). Bounded by
 * one election time-out: then the leader goes on as before.
 */
import type { NodeId } from "../lib/types.ts";
import { isVoter } from "./quorum.ts";
import { inForce, type Leadership, type RaftState, send } from "./state.ts";
import type { Steered } from "./options.ts";

/** Begins to hand over, or turns to another heir. */
export function beginHandover(state: RaftState, leadership: Leadership, to: NodeId): Steered {
  const { configuration } = inForce(state);
  if (to === state.id) return { kind: "refused", why: `${to} leads already` };
  const progress = leadership.progress.get(to);
  if (progress === undefined || !isVoter(configuration, to))
    return { kind: "refused", why: `${to} has no vote` };
  if (progress.healIndex !== undefined)
    return { kind: "refused", why: `${to} is damaged and being refilled` };
  const accepted = { kind: "accepted", index: state.log.lastIndex, term: state.term } as const;
  if (leadership.handover?.to === to) return accepted;
  leadership.handover = { to, due: state.now + state.timings.electionMinMs, isAsked: false };
  leadership.leaseIsVoid = true;
  continueHandover(state, leadership);
  return accepted;
}

/** Hands over to the voter that is furthest and was heard of late; false when there is none. */
export function beginHandoverToBest(state: RaftState, leadership: Leadership): boolean {
  const { configuration } = inForce(state);
  const since = state.now - state.timings.electionMinMs;
  const [best] = [...leadership.progress.values()]
    .filter(
      ({ peer, healIndex, lastContact }) =>
        isVoter(configuration, peer) && healIndex === undefined && lastContact >= since,
    )
    .toSorted((a, b) => b.matchIndex - a.matchIndex);
  return best !== undefined && beginHandover(state, leadership, best.peer).kind === "accepted";
}

/** The heir may have caught up. */
export function continueHandover(state: RaftState, leadership: Leadership): void {
  const { handover } = leadership;
  if (handover === undefined || handover.isAsked) return;
  const progress = leadership.progress.get(handover.to);
  // unreachable: nobody is taken from the configuration meanwhile, so the heir has a progress
  if (progress === undefined || progress.matchIndex < state.log.lastIndex) return;
  handover.isAsked = true;
  send(state, { kind: "timeoutNow", from: state.id, to: handover.to, term: state.term });
}

/** It did not work: the leader goes on. */
export function expireHandover(state: RaftState, leadership: Leadership): void {
  if (leadership.handover !== undefined && state.now >= leadership.handover.due)
    leadership.handover = undefined;
}
