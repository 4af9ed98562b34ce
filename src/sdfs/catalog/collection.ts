/**
 * Taking away what nobody can need any more: removed versions, then chunks that no version names, then the files of
 * chunks that the catalog does not count on. Each step is a command of its own, and a file is deleted last.
 *
 * G1 A removed version is collected only when nobody can want it back, no unfinished job resolved its inputs before its
 *    removal, and neither a model nor an unfinished job pins one of its chunks.
 * G2 The catalog forgets a chunk only when no version, readable or removed, names it.
 * G3 A node deletes a chunk's file only after a committed drop, which is refused while the catalog counts on that copy;
 *    every acknowledgement that its store gave before the drop is void for ever.
 */
import { type Outcome, done, ok, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import { ChunkHash, type StoreId } from "../../lib/types.ts";
import { chunksPerCommit } from "./commit.ts";
import { checkMove, chunksPerMove, type Moved } from "./replicas.ts";
import {
  chunks,
  dropped,
  forgetChunk,
  held,
  heldId,
  removalIndex,
  removed,
  writeChunk,
} from "./rows.ts";
import type { RemovedRecord } from "./types.ts";

/** Removed versions named in one command. */
export const versionsPerCollect = 200;

/** What jobs and models may still need. */
export interface CollectContext extends Stamp {
  /** For how long a removed file can be restored, in ms of log time. */
  readonly restorableMs: number;
  /** Earliest catalog index at which an unfinished job resolved its inputs; Infinity when there is none. */
  readonly oldestResolution: number;
  /** Which of these chunks a model or an unfinished job pins. */
  readonly pinned: (hashes: ReadonlySet<ChunkHash>) => ReadonlySet<ChunkHash>;
}

/**
 * G1: collects those of the removed versions that may be, and passes over the others.
 * @returns the highest removal index collected, 0 if none: submissions resolved before it may name what is gone
 */
export function collectVersions(
  rows: Rows,
  ids: readonly string[],
  context: CollectContext,
): number {
  const found = new Map<string, RemovedRecord>();
  const named = new Set<ChunkHash>();
  for (const id of ids) {
    const row = removed.get(rows, id);
    if (row === undefined || !isDue(id, row, context)) continue;
    // As much as a commit may hold; what is left is proposed again.
    if (found.size > 0 && named.size + row.chunks.length > chunksPerCommit) break;
    found.set(id, row);
    for (const { hash } of row.chunks) named.add(hash);
  }
  const pinned = context.pinned(named);
  let floor = 0;
  for (const [id, { chunks: list }] of found) {
    const distinct = new Set(list.map(({ hash }) => hash));
    if ([...distinct].some((hash) => pinned.has(hash))) continue;
    removed.delete(rows, id);
    for (const hash of distinct) {
      const chunk = chunks.get(rows, hash);
      if (chunk === undefined) continue; // unreachable: it is named (G2)
      writeChunk(rows, chunk, { ...chunk, references: chunk.references - 1 });
    }
    floor = Math.max(floor, removalIndex(id));
  }
  return floor;
}

/** Whether nobody can want a removed version back, and no unfinished job can have found it. */
export function isDue(
  id: string,
  { restore }: RemovedRecord,
  { now, restorableMs, oldestResolution }: Omit<CollectContext, "pinned" | "index">,
): boolean {
  if (removalIndex(id) > oldestResolution) return false;
  return restore === undefined || restore.removedAt + restorableMs <= now;
}

/** G2. Chunks that a version names again are passed over. */
export function collectChunks(rows: Rows, hashes: readonly string[]): Outcome {
  if (hashes.length > chunksPerMove) return tooMany(hashes.length);
  for (const hash of hashes) {
    const chunk = chunks.get(rows, ChunkHash(hash));
    if (chunk?.references === 0) forgetChunk(rows, chunk);
  }
  return done;
}

/** G3: asked by the store's own node. Answers which files it is to delete. */
export function dropChunks(
  rows: Rows,
  { store, chunks: hashes }: Moved<string>,
  { index }: Stamp,
): Outcome {
  const wrong = checkMove(rows, store, hashes.length);
  if (wrong !== undefined) return wrong;
  const accepted = hashes.filter(
    (hash) => held.get(rows, heldId(store, ChunkHash(hash))) === undefined,
  );
  for (const hash of accepted) dropped.put(rows, heldId(store, ChunkHash(hash)), index);
  return ok({ kind: "dropped", hashes: accepted });
}

/**
 * Forgets drops up to a log index, the floor: from then on no acknowledgement from before it counts, whatever it is about.
 * Rows of later drops are passed over.
 */
export function forgetDrops(
  rows: Rows,
  drops: readonly { readonly store: StoreId; readonly hash: string }[],
  floor: number,
): Outcome {
  if (drops.length > chunksPerMove) return tooMany(drops.length);
  for (const { store, hash } of drops) {
    const id = heldId(store, ChunkHash(hash));
    if ((dropped.get(rows, id) ?? Infinity) <= floor) dropped.delete(rows, id);
  }
  return done;
}

function tooMany(size: number): Outcome {
  return refuse("TOO_LARGE", { what: "the list of chunks", size, limit: chunksPerMove });
}
