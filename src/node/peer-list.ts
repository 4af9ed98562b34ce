/** Who has left is still spoken to for this long, in ms: the entry that says so is on its way to him. */
export const partingMs = 10_000;

/**
 * Whom to dial: everybody in the member list who has not left, at the address that he registered; before this node
 * knows the list, the founders and whoever was known when it joined.
 */
import { NodeId } from "../lib/types.ts";
import type { MemberRecord } from "../machine/commands.ts";
import type { Address } from "../net/peers.ts";
import type { Identity } from "./stores/identity.ts";

export function peerAddresses(
  { node: self, founders, seeds = [] }: Identity,
  members: ReadonlyMap<NodeId, MemberRecord>,
  /** Log time: who has left longer than {@link partingMs} ago is not dialled any more. */
  now = Number.POSITIVE_INFINITY,
): ReadonlyMap<NodeId, Address> {
  const addresses = new Map<NodeId, Address>();
  for (const { name, host, port } of [...founders, ...seeds])
    addresses.set(NodeId(name), { host, port });
  for (const { node, state, since, peerAddress } of members.values()) {
    const address = parseAddress(peerAddress);
    const isGone = state === "left" && now - since > partingMs;
    if (isGone || address === undefined) addresses.delete(node);
    else addresses.set(node, address);
  }
  addresses.delete(NodeId(self));
  return addresses;
}

/** `host:port`, the host of an IPv6 address in brackets; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  return { host: host.replaceAll(/^\[|\]$/g, ""), port: Number(port) };
}
