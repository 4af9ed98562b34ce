/** Members as those who place chunks see them. */
import type { NodeId, StoreId } from "../lib/types.ts";
import type { MemberRecord } from "../machine/commands.ts";
import type { Machine } from "../machine/machine.ts";
import type { Candidate } from "../sdfs/catalog/placement.ts";

/** The label that names a member's failure domain. */
const domainLabel = "zone";

/** A member's store as a place for copies, weighed by its room. One that has not said yet gets next to nothing. */
export function candidateOf(
  { stores }: Pick<Machine, "stores">,
  { node, store, labels }: MemberRecord,
): Candidate {
  const domain = labels.find(([key]) => key === domainLabel)?.[1];
  return { node, store, weight: stores.get(store)?.room ?? 1, domain };
}

/** The member that has a store now; undefined when it was replaced by another one. */
export function nodeOf({ members }: Pick<Machine, "members">, store: StoreId): NodeId | undefined {
  for (const member of members.values()) if (member.store === store) return member.node;
  return undefined;
}
