/**
 * Which store has which chunk, as repair and balance add copies, and damage, loss and balance take them away.
 *
 * H1 What was acknowledged before a copy was lost or dropped never counts again.
 * H2 A copy is given up only while so many nodes as there are to be copies have another one and are up.
 */
import { type Outcome, done, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import { ChunkHash, type StoreId } from "../../lib/types.ts";
import {
  acknowledgedFrom,
  chunks,
  dropped,
  heldId,
  removeFromStore,
  stores,
  withStores,
  writeChunk,
} from "./rows.ts";
import { replicationFactor } from "./types.ts";

/** Chunks of one command that moves them: a few rows each, a few milliseconds of apply. */
export const chunksPerMove = 500;

/** What a command says of chunks on one store. */
export interface Moved<Chunk> {
  readonly store: StoreId;
  readonly chunks: readonly Chunk[];
}

/** Repair made chunks durable on a store. Chunks collected or dropped meanwhile are passed over. */
export function placeChunks(
  rows: Rows,
  { store, chunks: placed }: Moved<{ readonly hash: string; readonly index: number }>,
  { dropFloor }: { readonly dropFloor: number },
): Outcome {
  const wrong = checkMove(rows, store, placed.length);
  if (wrong !== undefined) return wrong;
  if (stores.get(rows, store)?.state !== "active")
    return refuse("CONFLICT", { what: `store ${store}`, why: "it was replaced by another one" });
  for (const { hash: name, index } of placed) {
    const hash = ChunkHash(name);
    const chunk = chunks.get(rows, hash);
    const from = acknowledgedFrom(rows, { store, hash, floor: dropFloor });
    if (chunk === undefined || from > index) continue;
    const merged = withStores(rows, chunk, [store]);
    if (merged !== chunk) writeChunk(rows, chunk, merged);
  }
  return done;
}

/** H1: chunks are not on a store any more, whether it was known to have them or had only acknowledged them. */
export function loseChunks(
  rows: Rows,
  { store, chunks: lost }: Moved<string>,
  { index }: Stamp,
): Outcome {
  const wrong = checkMove(rows, store, lost.length);
  if (wrong !== undefined) return wrong;
  const isActive = stores.get(rows, store)?.state === "active"; // what a lost one said counts no more anyway
  for (const name of lost) {
    const hash = ChunkHash(name);
    removeFromStore(rows, store, hash);
    if (isActive) dropped.put(rows, heldId(store, hash), index);
  }
  return done;
}

/**
 * H2: a store has chunks beyond what is wanted; its node may delete them. Those that are wanted are passed over.
 * @param nodeOf the node of a store on which copies count; undefined where they do not
 */
export function releaseChunks(
  rows: Rows,
  { store, chunks: released }: Moved<string>,
  nodeOf: (store: StoreId) => string | undefined,
): Outcome {
  const wrong = checkMove(rows, store, released.length);
  if (wrong !== undefined) return wrong;
  for (const name of released) {
    const hash = ChunkHash(name);
    const others = chunks.get(rows, hash)?.stores.filter((id) => id !== store) ?? [];
    const nodes = new Set(others.map(nodeOf).filter((node) => node !== undefined));
    nodes.delete(nodeOf(store) ?? "");
    if (nodes.size >= replicationFactor) removeFromStore(rows, store, hash);
  }
  return done;
}

export function checkMove(rows: Rows, store: StoreId, size: number): Outcome | undefined {
  if (size > chunksPerMove)
    return refuse("TOO_LARGE", { what: "the list of chunks", size, limit: chunksPerMove });
  if (stores.get(rows, store) === undefined)
    return refuse("NOT_FOUND", {
      kind: "store",
      name: store,
      remedy: "its node must register first",
    });
  return undefined;
}
