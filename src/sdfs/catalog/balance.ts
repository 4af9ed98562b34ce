/**
 * Moving copies to where placement wants them: onto nodes that joined, off disks that are full. A move is a copy that is
 * made and another one that is given up for it afterwards.
 *
 * B1 A chunk moves only while as many copies as are wanted are on live stores, and none beyond: repair comes first.
 * B2 A copy goes only where placement over all stores wants it, and only if it would not be the one that is given up.
 */
import { type Candidate, place } from "./placement.ts";
import type { RepairCopy } from "./repair.ts";
import type { ChunkHash, StoreId } from "../../lib/types.ts";
import type { ChunkRecord } from "./types.ts";

/** Of the stores that have a chunk, those beyond the wanted copies: full ones, then those that placement wants least. */
export function beyond(
  hash: ChunkHash,
  holders: readonly Candidate[],
  copies: number,
): readonly StoreId[] {
  if (holders.length <= copies) return [];
  const wanted = new Set(place(hash, holders, copies));
  const rest = holders.map(({ store }) => store).filter((store) => !wanted.has(store));
  // Where more stores are full than could go, some of them stay.
  return rest.slice(0, holders.length - copies);
}

/**
 * The moves that bring chunks nearer to their places, one for each chunk at most.
 * @param stores live ones that are to stay
 */
export function planMoves(
  chunks: Iterable<ChunkRecord>,
  stores: readonly Candidate[],
  copies: number,
): readonly RepairCopy[] {
  const known = new Map(stores.map((each) => [each.store, each]));
  const moves: RepairCopy[] = [];
  for (const { hash, bytes, references, stores: on } of chunks) {
    const holders = on.flatMap((store) => known.get(store) ?? []);
    if (references === 0 || holders.length !== copies || on.length !== copies) continue; // B1
    const to = place(hash, stores, copies).find((store) => {
      const target = known.get(store);
      // unreachable: placement chooses among those that are known
      if (target === undefined || on.includes(store)) return false;
      return !beyond(hash, [...holders, target], copies).includes(store); // B2
    });
    if (to !== undefined) moves.push({ hash, bytes, from: on, to });
  }
  return moves;
}
