/**
 * Reads without a round trip (dissertation §6.4.1). A voter that answered a heartbeat elects nobody else for the
 * shortest election time-out after it *heard* it (R8), hence not before that time has passed since it was *sent*, by
 * the leader's clock, shortened by how much faster the voter's clock may run (R10; tikv #964, yugabyte #16). The
 * index is fixed while the lease holds, so a pause before the state is read delays the answer and does not make it stale.
 */
import { quorumValue } from "./quorum.ts";
import { inForce, type Leadership, type RaftState } from "./state.ts";

export function holdsLease(state: RaftState, leadership: Leadership): boolean {
  const { leaseReads, leaseDriftPerMille, electionMinMs } = state.timings;
  if (!leaseReads || leadership.leaseIsVoid) return false;
  const answered = quorumValue(inForce(state).configuration, (voter) => {
    if (voter === state.id) return state.now;
    const progress = leadership.progress.get(voter);
    // unreachable: every voter has a progress
    if (progress === undefined || progress.healIndex !== undefined) return Number.NEGATIVE_INFINITY;
    return progress.leaseFrom;
  });
  return state.now - answered < (electionMinMs * 1_000) / (1_000 + leaseDriftPerMille);
}
