/** How a chunk is: what fsck counts. A pure comparison of what the catalog says with which stores live. */
import type { StoreId } from "../../lib/types.ts";
import { type ChunkRecord, replicationFactor } from "./types.ts";

/** What is known of a store that was not lost for good. */
export interface StoreState {
  readonly node: string;
  /** Its node is up and is to stay. */
  readonly counts: boolean;
  /** Its node is up. */
  readonly readable: boolean;
}

/**
 * `whole`: as many copies as are wanted; `lacking`: fewer, and repair is to make more; `unavailable`: none can be read
 * until a node is back; `lost`: no store has it any more.
 */
export type ChunkHealth = "whole" | "lacking" | "unavailable" | "lost";

/**
 * @param stores those that were not lost
 * @param nodes how many nodes copies count on
 * @returns how the chunk is, and how many copies beyond the wanted ones there are
 */
export function healthOf(
  { stores: on }: Pick<ChunkRecord, "stores">,
  { stores, nodes }: { readonly stores: ReadonlyMap<StoreId, StoreState>; readonly nodes: number },
): { readonly health: ChunkHealth; readonly excess: number } {
  const known = on.flatMap((store) => stores.get(store) ?? []);
  if (known.length === 0) return { health: "lost", excess: 0 };
  if (!known.some(({ readable }) => readable)) return { health: "unavailable", excess: 0 };
  const copies = new Set(known.filter(({ counts }) => counts).map(({ node }) => node)).size;
  const wanted = Math.min(replicationFactor, nodes);
  return {
    health: copies < wanted ? "lacking" : "whole",
    excess: Math.max(0, copies - replicationFactor),
  };
}
