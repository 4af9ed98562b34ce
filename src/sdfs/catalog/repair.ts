/**
 * What repair should copy: a pure comparison of what the catalog says with which stores live. A copy on a store that is
 * down does not count, but is not forgotten: when the store returns, so does the copy.
 *
 * R1 A copy is planned only from a live holder to a live store on a node that has none and is not leaving.
 * R4 A copy on a node that has just gone down counts as long as more than {@link fewCopies} others do: it may be back
 *    before it is missed. With fewer, the next loss would be one too many to wait for.
 * R2 No chunk gets more live copies than wanted, those on leaving nodes not counted.
 * R5 A chunk counts as held up while it has fewer copies than there are nodes for, and the disks of those are full.
 * R3 A chunk with fewer live copies comes before one with more.
 */
import type { ChunkHash, StoreId } from "../../lib/types.ts";
import { type Candidate, placeMore } from "./placement.ts";
import type { ChunkRecord } from "./types.ts";

export interface StoreStatus extends Candidate {
  /** Its node is up. */
  readonly live: boolean;
  /** Its node has gone down a moment ago. Default: it has not. */
  readonly absent?: boolean;
  /** Its node was asked to leave: read from it, but count on it no more. */
  readonly leaving: boolean;
}

/** As few copies as this are made more of at once (design: SDFS). */
export const fewCopies = 2;

/** One copy to make: read from any of `from`, write to `to`. */
export interface RepairCopy {
  readonly hash: ChunkHash;
  readonly bytes: number;
  readonly from: readonly StoreId[];
  readonly to: StoreId;
}

export interface RepairPlan {
  /** Most endangered chunk first. */
  readonly copies: readonly RepairCopy[];
  /** Chunks with fewer copies than there could be. */
  readonly wanting: number;
  /** R5: chunks that have to wait for room on a disk. */
  readonly heldUp: number;
}

interface Endangered {
  readonly chunk: ChunkRecord;
  /** Where copies count. */
  readonly holders: readonly StoreStatus[];
  /** Nodes that have one: two stores of a node are one copy. */
  readonly copies: number;
  /** Where it can be read. */
  readonly sources: readonly StoreStatus[];
}

/**
 * The copies to make, most endangered chunk first.
 * @param plan.copies copies wanted where there are so many live nodes
 * @param plan.limit copies planned at most: what bandwidth allows until the next plan
 */
export function planRepair(
  chunks: Iterable<ChunkRecord>,
  stores: readonly StoreStatus[],
  plan: { readonly copies: number; readonly limit: number },
): RepairPlan {
  const live = new Map(stores.filter((s) => s.live).map((s) => [s.store, s]));
  const absent = new Map(stores.filter((s) => s.absent === true).map((s) => [s.store, s]));
  const candidates = [...live.values()].filter(({ leaving }) => !leaving);
  const endangered: Endangered[] = [];
  for (const chunk of chunks) {
    const sources = chunk.stores.flatMap((store) => live.get(store) ?? []);
    const here = sources.filter(({ leaving }) => !leaving);
    const away = chunk.stores.flatMap((store) => absent.get(store) ?? []);
    const isUrgent = new Set(here.map(({ node }) => node)).size <= fewCopies;
    // R4. Who is away gets no copy either, so that he counts among the holders or not at all.
    const holders = isUrgent ? here : [...here, ...away.filter(({ leaving }) => !leaving)];
    const copies = new Set(holders.map(({ node }) => node)).size;
    if (chunk.references > 0 && sources.length > 0 && copies < plan.copies)
      endangered.push({ chunk, holders, copies, sources });
  }
  endangered.sort((a, b) => a.copies - b.copies || (a.chunk.hash < b.chunk.hash ? -1 : 1));
  const planned: RepairCopy[] = [];
  const possible = Math.min(plan.copies, new Set(candidates.map(({ node }) => node)).size);
  const wanting = endangered.filter(({ copies }) => copies < possible).length;
  let heldUp = 0;
  for (const { chunk, holders, copies, sources } of endangered) {
    if (planned.length >= plan.limit) break;
    const { hash, bytes } = chunk;
    const from = sources.map(({ store }) => store);
    const more = plan.copies - copies;
    const places = placeMore(hash, candidates, { holders, more });
    for (const to of places) planned.push({ hash, bytes, from, to });
    if (copies + places.length < possible) heldUp += 1;
  }
  return { copies: planned.slice(0, plan.limit), wanting, heldUp };
}
