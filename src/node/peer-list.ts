/** Callers remembered: as many as a cluster may have members. */
export const callersKept = 1_024;
/** Who has left is still spoken to for this long, in ms: the entry that says so is on its way to him. */
export const partingMs = 10_000;

/**
 * Whom to dial: everybody in the member list who has not left, at the address that he registered; before this node
 * knows the list, the founders and whoever was known when it joined. And whoever calls without being in the list: a node
 * that lost all it knew could else never answer a leader that came after the founders.
 */
import { NodeId } from "../lib/types.ts";
import type { MemberRecord } from "../machine/commands.ts";
import type { Address, Hello } from "../net/peers.ts";
import type { Identity } from "./stores/identity.ts";

export function peerAddresses(
  { node: self, founders, seeds = [] }: Identity,
  members: ReadonlyMap<NodeId, MemberRecord>,
  /** What callers said of themselves ({@link Callers}). */
  callers: ReadonlyMap<NodeId, Address> = new Map(),
  /** Log time: who has left longer than {@link partingMs} ago is not dialled any more. */
  now = Number.POSITIVE_INFINITY,
): ReadonlyMap<NodeId, Address> {
  const addresses = new Map<NodeId, Address>();
  for (const { name, host, port } of [...founders, ...seeds])
    addresses.set(NodeId(name), { host, port });
  for (const [node, address] of callers) addresses.set(node, address);
  for (const { node, state, since, peerAddress } of members.values()) {
    const address = parseAddress(peerAddress);
    const isGone = state === "left" && now - since > partingMs;
    if (isGone || address === undefined) addresses.delete(node);
    else addresses.set(node, address);
  }
  addresses.delete(NodeId(self));
  return addresses;
}

/** Who has called and is in no list, at the address that he gave: at most {@link callersKept}. */
export class Callers {
  readonly #addresses = new Map<NodeId, Address>();

  get addresses(): ReadonlyMap<NodeId, Address> {
    return this.#addresses;
  }

  /** @returns whether that was new */
  called({ node, address: text }: Pick<Hello, "node" | "address">): boolean {
    const address = text === undefined ? undefined : parseAddress(text);
    const known = this.#addresses.get(node);
    if (address === undefined || this.#addresses.size >= callersKept) return false;
    if (known?.host === address.host && known.port === address.port) return false;
    this.#addresses.set(node, address);
    return true;
  }

  /** Those are in the list now, or never will be. */
  forget(nodes: Iterable<NodeId>): void {
    for (const node of nodes) this.#addresses.delete(node);
  }
}

/** `host:port`, the host of an IPv6 address in brackets; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  return { host: host.replaceAll(/^\[|\]$/g, ""), port: Number(port) };
}
