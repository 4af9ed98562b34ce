/** Whom this node lets talk to it, beyond what the handshake itself checks (net/handshake.ts). */
import type { Machine } from "../machine/machine.ts";
import type { Hello } from "../net/peers.ts";

/**
 * A node that comes with another data directory than the one it registered with has forgotten how it voted and what it
 * acknowledged: it may not come back under its name.
 * @returns why it is refused; undefined: it is not
 */
export function foreignIncarnation(
  { members }: Pick<Machine, "members">,
  { node, incarnation }: Hello,
): string | undefined {
  const member = members.get(node);
  if (member?.state === "left" && member.incarnation === incarnation)
    return `${node} was removed from the cluster: start it in an empty --data-dir with --join`;
  if (member === undefined || member.incarnation === incarnation || member.state === "left")
    return undefined;
  return `${node} is known with the data directory of incarnation ${member.incarnation}, this one is ${incarnation}: bring back the old directory`;
}
