/** The catalog's tables, and how a store gains and loses a chunk: the only places that write chunk and held rows. */
import { type Rows, Table, padded } from "../../lib/rows.ts";
import type { ChunkHash, FileVersion, StoreId } from "../../lib/types.ts";
import {
  type ChunkRecord,
  type DroppedRecord,
  type FileRecord,
  type HeldRecord,
  type LackingRecord,
  type RemovedRecord,
  replicationFactor,
  type StoreRecord,
  type VersionRecord,
} from "./types.ts";

/** Cold. */
export const files = new Table<FileRecord>("file");
/** Cold. */
export const versions = new Table<VersionRecord>("version");
/** Cold. */
export const chunks = new Table<ChunkRecord>("chunk");
/** Cold; a store's inventory is the range `held/<store>/`. */
export const held = new Table<HeldRecord>("held");
/** Cold. */
export const removed = new Table<RemovedRecord>("removed");
/** Cold. */
export const dropped = new Table<DroppedRecord>("dropped");
/** Cold; chunks that want more copies, for repair to find: hash → copies recorded. */
export const lacking = new Table<LackingRecord>("lacking");
/** Hot. */
export const stores = new Table<StoreRecord>("store");

/** `photos/cat.jpg@0000000003` */
export function versionId(path: string, version: FileVersion): string {
  return `${path}@${padded(version, 10)}`;
}

/** Of held and dropped rows. */
export function heldId(store: StoreId, hash: ChunkHash): string {
  return `${store}/${hash}`;
}

/** Of removed rows: in the order in which their removal was committed. */
export function removedId(index: number, n: number): string {
  return `${padded(index, 12)}/${padded(n, 4)}`;
}

/** Writes a chunk's row, and keeps the list of those that want more copies in step with it. */
export function writeChunk(rows: Rows, before: ChunkRecord | undefined, after: ChunkRecord): void {
  chunks.put(rows, after.hash, after);
  if (wantsCopies(after)) {
    if (
      before === undefined ||
      !wantsCopies(before) ||
      before.stores.length !== after.stores.length
    )
      lacking.put(rows, after.hash, after.stores.length);
  } else if (before !== undefined && wantsCopies(before)) lacking.delete(rows, after.hash);
}

function wantsCopies({ stores: on, references }: ChunkRecord): boolean {
  return references > 0 && on.length < replicationFactor;
}

/** The chunk as it is when these stores hold it as well; writes the held rows that this takes. */
export function withStores(rows: Rows, chunk: ChunkRecord, added: readonly StoreId[]): ChunkRecord {
  const fresh = added.filter((store) => !chunk.stores.includes(store));
  if (fresh.length === 0) return chunk;
  for (const store of fresh) held.put(rows, heldId(store, chunk.hash), chunk.bytes);
  return { ...chunk, stores: [...new Set([...chunk.stores, ...fresh])].toSorted() };
}

/** Takes a chunk off a store; nothing happens when it was not on it. */
export function removeFromStore(rows: Rows, store: StoreId, hash: ChunkHash): void {
  const chunk = chunks.get(rows, hash);
  if (chunk === undefined || !chunk.stores.includes(store)) return;
  writeChunk(rows, chunk, { ...chunk, stores: chunk.stores.filter((id) => id !== store) });
  held.delete(rows, heldId(store, hash));
}

/** Log index of the last drop of a chunk from a store, 0 if none: acknowledgements of an earlier index are void. */
export function lastDrop(rows: Rows, store: StoreId, hash: ChunkHash): number {
  return dropped.get(rows, heldId(store, hash)) ?? 0;
}
