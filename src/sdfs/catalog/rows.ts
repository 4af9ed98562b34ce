/** The catalog's tables, and how a store gains and loses a chunk: the only places that write chunk and held rows. */
import { type Rows, Table, padded } from "../../lib/rows.ts";
import type { ChunkHash, FileVersion, StoreId } from "../../lib/types.ts";
import {
  type ChunkRecord,
  type DroppedRecord,
  type FileRecord,
  type GarbageRecord,
  type HeldRecord,
  type LackingRecord,
  type QuotaRecord,
  type RemovedRecord,
  replicationFactor,
  type StoreRecord,
  type SurplusRecord,
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
/** Cold; chunks that have more copies than are wanted, for trimming to find: hash → copies recorded. */
export const surplus = new Table<SurplusRecord>("surplus");
/** Cold; chunks that no version names, for collection to find. */
export const garbage = new Table<GarbageRecord>("garbage");
/** Hot. */
export const quotas = new Table<QuotaRecord>("quota");
/** Hot. */
export const stores = new Table<StoreRecord>("store");

/** `photos/cat.jpg@0000000003` */
export function versionId(path: string, version: FileVersion): string {
  return `${path}@${padded(version, 10)}`;
}

/** Bytes of all readable versions of a file. */
export function keptBytesOf(
  rows: Rows,
  { path, versions: readable, keptBytes }: FileRecord,
): number {
  return (
    keptBytes ??
    // unreachable: a readable version has its row (C3)
    readable.reduce((sum, each) => sum + (versions.get(rows, versionId(path, each))?.bytes ?? 0), 0)
  );
}

/** Of held and dropped rows. */
export function heldId(store: StoreId, hash: ChunkHash): string {
  return `${store}/${hash}`;
}

/** Of removed rows: in the order in which their removal was committed. */
export function removedId(index: number, n: number): string {
  return `${padded(index, 12)}/${padded(n, 4)}`;
}

/** Log index of the removal in the id of a removed row. */
export function removalIndex(id: string): number {
  return Number(id.slice(0, id.indexOf("/")));
}

/** Writes a chunk's row, and keeps the lists of those that want more copies, or fewer, or none, in step with it. */
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
  const copies = after.stores.length;
  const copiesBefore = before?.stores.length ?? 0;
  if (copies > replicationFactor) surplus.put(rows, after.hash, copies);
  else if (copiesBefore > replicationFactor) surplus.delete(rows, after.hash);
  const wasGarbage = before?.references === 0;
  if (after.references === 0) {
    if (!wasGarbage) garbage.put(rows, after.hash, after.bytes);
  } else if (wasGarbage) garbage.delete(rows, after.hash);
}

/** Forgets a chunk that no version names, and who holds it. */
export function forgetChunk(rows: Rows, { hash, stores: on }: ChunkRecord): void {
  for (const store of on) held.delete(rows, heldId(store, hash));
  chunks.delete(rows, hash);
  garbage.delete(rows, hash);
  surplus.delete(rows, hash);
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

/**
 * Log index from which on acknowledgements of a store for a chunk hold: earlier ones are void, since the chunk was
 * taken off that store later, or may have been.
 * @param floor index up to which drops may have been forgotten
 */
export function acknowledgedFrom(
  rows: Rows,
  {
    store,
    hash,
    floor,
  }: { readonly store: StoreId; readonly hash: ChunkHash; readonly floor: number },
): number {
  return Math.max(floor, dropped.get(rows, heldId(store, hash)) ?? 0);
}
