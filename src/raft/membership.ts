/**
 * Changing who votes (§6; dissertation §4): configurations are log entries, in force from the moment they are
 * appended and out of force when they are truncated (R12). The leader proposes, leaves joint configurations by itself,
 * and goes when it is no part of the committed one.
 */
import { LogIndex } from "../lib/types.ts";
import {
  type Changed,
  encodeConfiguration,
  enterJoint,
  isJoint,
  leaveJoint,
  simpleChange,
} from "./configuration.ts";
import { beginHandoverToBest } from "./handover.ts";
import { appendAsLeader, replicate } from "./leader.ts";
import type { ConfigurationRequest, Steered } from "./options.ts";
import { Progress } from "./progress.ts";
import { isVoter, members } from "./quorum.ts";
import { becomeFollower, inForce, type Leadership, type RaftState } from "./state.ts";
import type { Configuration } from "./types.ts";

/** A leader asked for a change. */
export function changeConfiguration(
  state: RaftState,
  leadership: Leadership,
  request: ConfigurationRequest,
): Steered {
  const { configuration } = inForce(state);
  return propose(state, leadership, changed(configuration, request));
}

function changed(from: Configuration, { changes, transition }: ConfigurationRequest): Changed {
  if (transition !== "auto") return enterJoint(from, changes, transition === "implicit");
  const simple = simpleChange(from, changes);
  return simple.kind === "changed" || isJoint(from) ? simple : enterJoint(from, changes, true);
}

export function leaveJointConfiguration(state: RaftState, leadership: Leadership): Steered {
  return propose(state, leadership, leaveJoint(inForce(state).configuration));
}

/** R12: one at a time, and only after an entry of this term: two leaders could else change the same parent (dissertation §4.1, raft-dev 2015). */
function propose(state: RaftState, leadership: Leadership, next: Changed): Steered {
  if (state.commitIndex < leadership.noopIndex)
    return { kind: "refused", why: "this leader has not committed an entry of its term yet" };
  if (inForce(state).index > state.commitIndex)
    return { kind: "refused", why: "the last change is not committed yet" };
  // The heir was as far as this log: an entry more, and others might be further than he.
  if (leadership.handover !== undefined)
    return {
      kind: "refused",
      why: `the leadership is being handed over to ${leadership.handover.to}`,
    };
  if (state.isFull) return { kind: "refused", why: "the leader's disk is full" };
  if (next.kind === "refused") return next;
  const index = LogIndex(state.log.lastIndex + 1);
  appendAsLeader(state, leadership, [
    { kind: "configuration", data: encodeConfiguration(next.configuration) },
  ]);
  followConfiguration(state, leadership);
  return { kind: "accepted", index, term: state.term };
}

/** The configuration in force changed under a leader: whoever is new is caught up, whoever voted goes on being served. */
function followConfiguration(state: RaftState, leadership: Leadership): void {
  const next = LogIndex(state.log.lastIndex + 1);
  const { configuration } = inForce(state);
  for (const node of members(configuration)) {
    if (node === state.id || leadership.progress.has(node)) continue;
    const progress = new Progress(node, next, state.limits);
    // It could not answer before it was asked: it has an election time-out to do so.
    progress.lastContact = state.now;
    leadership.progress.set(node, progress);
  }
}

/**
 * After the commit index may have moved: leaves a joint configuration that asks for it, parts from those that a
 * committed one has no place for, and from the leadership if that is this node.
 */
export function settleConfiguration(state: RaftState, leadership: Leadership): void {
  const { index, configuration } = inForce(state);
  if (state.commitIndex < leadership.noopIndex || index > state.commitIndex) return;
  if (isJoint(configuration)) {
    if (configuration.autoLeave) leaveJointConfiguration(state, leadership);
    return;
  }
  const isMember = members(configuration).includes(state.id);
  const { voters, learners } = configuration;
  // Everybody in it has a progress, so as many are only they. This is looked at after every message.
  if (leadership.progress.size === voters.length + learners.length - (isMember ? 1 : 0)) {
    if (!isVoter(configuration, state.id)) resign(state, leadership);
    return;
  }
  const staying = new Set(members(configuration));
  const leaving = [...leadership.progress.keys()].filter((peer) => !staying.has(peer));
  // The removed learn of it here, if at all: who does not may ask for votes later, and is not listened to (R8).
  replicate(state, leadership, true);
  for (const peer of leaving) leadership.progress.delete(peer);
  if (!isVoter(configuration, state.id)) resign(state, leadership);
}

/**
 * This leader votes no more, and leads only until its heir has caught up: then nobody has to wait for a time-out. When
 * that does not come about in time, it falls silent all the same.
 */
function resign(state: RaftState, leadership: Leadership): void {
  if (leadership.handover !== undefined) return;
  if (!leadership.isResigning && beginHandoverToBest(state, leadership)) {
    leadership.isResigning = true;
    return;
  }
  becomeFollower(state, state.term, undefined);
}
