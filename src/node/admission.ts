/** Whom this node lets talk to it, beyond what the handshake itself checks (net/handshake.ts). */
import type { Machine } from "../machine/machine.ts";
import type { Hello } from "../net/peers.ts";
import type { StateStore } from "./stores/state-store.ts";

/** A node's member list, and the log index up to which it holds. */
export interface Membership {
  readonly machine: Pick<Machine, "members">;
  readonly state: Pick<StateStore, "appliedIndex">;
}

/**
 * What a node says of itself in a hello: the index at which its own list has it under its own data directory; nothing when
 * the list does not.
 */
export function listing(
  { machine: { members }, state }: Membership,
  { node, incarnation }: Pick<Hello, "node" | "incarnation">,
): Pick<Hello, "listedAt"> {
  const member = members.get(node);
  const isListed = member?.incarnation === incarnation && member.state !== "left";
  return isListed ? { listedAt: state.appliedIndex } : {};
}

/**
 * A node that comes with another data directory than the one it registered with has forgotten how it voted and what it
 * acknowledged: it may not come back under its name. But he may have left and been taken in again while this node was away:
 * then his own list, which is of a later index than this one, has him, and refusing him could leave a majority without a leader.
 * @returns why it is refused; undefined: it is not
 */
export function foreignIncarnation(
  { machine: { members }, state }: Membership,
  { node, incarnation, listedAt: index = 0 }: Pick<Hello, "node" | "incarnation" | "listedAt">,
): string | undefined {
  const member = members.get(node);
  if (member?.state === "left" && member.incarnation === incarnation)
    return `${node} was removed from the cluster: start it in an empty --data-dir with --join`;
  if (member === undefined || member.incarnation === incarnation || member.state === "left")
    return undefined;
  if (index > state.appliedIndex) return undefined;
  return `${node} is known with the data directory of incarnation ${member.incarnation}, this one is ${incarnation}: bring back the old directory`;
}
