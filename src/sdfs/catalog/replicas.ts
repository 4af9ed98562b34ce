/** Which store has which chunk, as repair adds copies and damage or loss takes them away. */
import { type Outcome, done, refuse } from "../../lib/outcome.ts";
import type { Rows } from "../../lib/rows.ts";
import { ChunkHash, type StoreId } from "../../lib/types.ts";
import { chunks, lastDrop, removeFromStore, stores, withStores, writeChunk } from "./rows.ts";

/** Chunks of one place or lose command: two rows each, a few milliseconds of apply. */
export const chunksPerMove = 500;

/** Repair made chunks durable on a store. Chunks collected or dropped meanwhile are passed over. */
export function placeChunks(
  rows: Rows,
  store: StoreId,
  placed: readonly { readonly hash: string; readonly index: number }[],
): Outcome {
  const wrong = checkMove(rows, store, placed.length);
  if (wrong !== undefined) return wrong;
  if (stores.get(rows, store)?.state !== "active")
    return refuse("CONFLICT", { what: `store ${store}`, why: "it was replaced by another one" });
  for (const { hash: name, index } of placed) {
    const hash = ChunkHash(name);
    const chunk = chunks.get(rows, hash);
    if (chunk === undefined || lastDrop(rows, store, hash) > index) continue;
    const merged = withStores(rows, chunk, [store]);
    if (merged !== chunk) writeChunk(rows, chunk, merged);
  }
  return done;
}

/** Chunks are not on a store any more; those it was not known to have are passed over. */
export function loseChunks(rows: Rows, store: StoreId, lost: readonly string[]): Outcome {
  const wrong = checkMove(rows, store, lost.length);
  if (wrong !== undefined) return wrong;
  for (const hash of lost) removeFromStore(rows, store, ChunkHash(hash));
  return done;
}

function checkMove(rows: Rows, store: StoreId, size: number): Outcome | undefined {
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
