/** Callers remembered: as many as a cluster may have members. */
export const callersKept = 1_024;
/** Who has left is still spoken to for this long, in ms: the entry that says so is on its way to him. */
export const partingMs = 10_000;

/**
 * Whom to dial: everybody in the member list who has not left, at the address that he registered; before this node
 * knows the list, the founders and whoever was known when it joined. And whoever calls without being in the list: a node
 * that lost all it knew could else never answer a leader that came after the founders. So does who calls under another
 * incarnation than the list has: he left and has come back, and a node whose list is behind, since it was away or has just
 * begun to learn the log, could never answer him if he leads. Once the list is up to date such calls are refused (admission.ts).
 */
import { NodeId } from "../lib/types.ts";
import type { MemberRecord } from "../machine/commands.ts";
import type { Address, Hello } from "../net/peers.ts";
import type { Identity } from "./stores/identity.ts";

export function peerAddresses(
  { node: self, founders, seeds = [] }: Identity,
  members: ReadonlyMap<NodeId, MemberRecord>,
  /** What callers said of themselves ({@link Callers}). */
  callers: ReadonlyMap<NodeId, Caller> = new Map(),
  /** Log time: who has left longer than {@link partingMs} ago is not dialled any more. */
  now = Number.POSITIVE_INFINITY,
): ReadonlyMap<NodeId, Address> {
  const addresses = new Map<NodeId, Address>();
  for (const { name, host, port } of [...founders, ...seeds])
    addresses.set(NodeId(name), { host, port });
  for (const [node, { address }] of callers) addresses.set(node, address);
  for (const member of members.values()) {
    const { node, state, since, peerAddress } = member;
    if (isAhead(callers.get(node), member)) continue;
    const address = parseAddress(peerAddress);
    const isGone = state === "left" && now - since > partingMs;
    if (isGone || address === undefined) addresses.delete(node);
    else addresses.set(node, address);
  }
  addresses.delete(NodeId(self));
  return addresses;
}

/** Where somebody who called says that he is, and under which data directory. */
export interface Caller {
  readonly address: Address;
  readonly incarnation: string;
}

/** Whether the list is behind: he calls under another directory than it knows. */
export function isAhead(
  caller: Pick<Caller, "incarnation"> | undefined,
  { incarnation }: Pick<MemberRecord, "incarnation">,
): boolean {
  return caller !== undefined && caller.incarnation !== incarnation;
}

/** Who has called and is not in the list under this directory, at the address that he gave: at most {@link callersKept}. */
export class Callers {
  readonly #callers = new Map<NodeId, Caller>();

  get all(): ReadonlyMap<NodeId, Caller> {
    return this.#callers;
  }

  /** @returns whether that was new */
  called({
    node,
    incarnation,
    address: text,
  }: Pick<Hello, "node" | "incarnation" | "address">): boolean {
    const address = text === undefined ? undefined : parseAddress(text);
    const known = this.#callers.get(node);
    const isRoom = known !== undefined || this.#callers.size < callersKept;
    if (address === undefined || !isRoom) return false;
    const isKnown = known?.address.host === address.host && known.address.port === address.port;
    if (isKnown && known.incarnation === incarnation) return false;
    this.#callers.set(node, { address, incarnation });
    return true;
  }

  /** Those that the list knows as they called. */
  forget(members: Iterable<Pick<MemberRecord, "node" | "incarnation">>): void {
    for (const member of members)
      if (!isAhead(this.#callers.get(member.node), member)) this.#callers.delete(member.node);
  }
}

/** `host:port`, the host of an IPv6 address in brackets; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  return { host: host.replaceAll(/^\[|\]$/g, ""), port: Number(port) };
}
