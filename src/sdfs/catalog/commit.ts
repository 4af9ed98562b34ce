/**
 * Making uploaded files visible, all of a command or none. The chunks are already durable on their replicas; here it is
 * decided, once and alike on every replica of the log, whether they are enough and which version number they become.
 *
 * C1 A store is in a chunk's `stores` exactly when `held/<store>/<hash>` exists, with the chunk's length.
 * C2 A chunk's `references` is the number of versions and removed versions that name it.
 * C3 A file's versions are ascending, each with its row, and no more of them after a commit than `versionsKept` says or
 *    there were before; `last` is never given again.
 * C4 A visible version had its required copies on active stores, none of them dropped since it was acknowledged.
 */
import { type FileUpload, type UploadedChunk, chunkBytes } from "../../lib/content.ts";
import { type FileOutcome, okFiles, type Outcome, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import { type ChunkHash, FileVersion, StoreId } from "../../lib/types.ts";
import { checkPath } from "./paths.ts";
import { Ledger } from "./quotas.ts";
import { removeVersion } from "./removal.ts";
import {
  acknowledgedFrom,
  chunks,
  files,
  keptBytesOf,
  stores,
  versionId,
  versions,
  withStores,
  writeChunk,
} from "./rows.ts";
import type { FileRecord, VersionRecord } from "./types.ts";

/** Files of one command: a bulk put's group. Larger ones make an apply that heartbeats wait for. */
export const filesPerCommit = 1_000;
/** Chunks of all files of one command: one file of 64 GiB, the largest, has 16,384. */
export const chunksPerCommit = 16_384;

/**
 * Old versions that one command takes out of the listing, beyond one for each of its files: after the number kept was
 * lowered, a bulk put would else be an apply that heartbeats wait for. What is left goes with the file's next commit.
 */
export const trimsPerCommit = 5_000;

/** What a commit rests on besides the catalog. */
export interface CommitContext extends Stamp {
  /** Copies that the members of this moment require. */
  readonly requiredCopies: number;
  /** Log index up to which drops may have been forgotten: acknowledgements from before it are void. */
  readonly dropFloor: number;
  /** Whether a quota that would be exceeded refuses the command. */
  readonly enforcesQuotas: boolean;
  /** Versions of a path that stay readable. */
  readonly versionsKept: number;
}

/**
 * Commits the uploads in order; a later one sees the earlier ones. Refused as a whole when one is. A single one that no quota
 * can refuse is refused before anything is written, so that it can be part of a command that goes on.
 */
export function commitFiles(
  rows: Rows,
  uploads: readonly FileUpload[],
  context: CommitContext,
): Outcome {
  const size = uploads.reduce((sum, upload) => sum + upload.chunks.length, 0);
  if (uploads.length > filesPerCommit)
    return refuse("TOO_LARGE", {
      what: "the list of files",
      size: uploads.length,
      limit: filesPerCommit,
    });
  if (size > chunksPerCommit)
    return refuse("TOO_LARGE", { what: "the list of chunks", size, limit: chunksPerCommit });
  const trimmed = { count: 0 };
  const ledger = new Ledger(rows);
  const committed: FileOutcome[] = [];
  for (const upload of uploads) {
    const wrong =
      checkShape(upload) ?? checkVersion(rows, upload) ?? checkReplicas(rows, upload, context);
    if (wrong !== undefined) return wrong;
    const copies = copiesOf(rows, upload, context.requiredCopies);
    if (copies < context.requiredCopies)
      return refuse("TOO_FEW_COPIES", {
        path: upload.path,
        have: copies,
        need: context.requiredCopies,
      });
    const wrongChunk = addChunks(rows, upload);
    if (wrongChunk !== undefined) return wrongChunk;
    const version = addVersion(rows, upload, { ...context, copies, trimmed, ledger });
    committed.push({ version, copies });
  }
  const over = context.enforcesQuotas ? ledger.exceeded() : undefined;
  return over ?? okFiles(committed);
}

function checkShape({ path, bytes, chunks: list }: FileUpload): Outcome | undefined {
  const wrong = checkPath(path);
  if (wrong !== undefined) return refuse("INVALID", { what: JSON.stringify(path), ...wrong });
  let sum = 0;
  for (const chunk of list) {
    if (!(chunk.bytes >= 1 && chunk.bytes <= chunkBytes))
      return invalid(path, `a chunk has ${chunk.bytes} bytes`, `cut it into 1 to ${chunkBytes}`);
    sum += chunk.bytes;
  }
  if (sum !== bytes)
    return invalid(path, `it has ${bytes} bytes but its chunks ${sum}`, "upload it again");
  return undefined;
}

function checkVersion(rows: Rows, { path, ifVersion }: FileUpload): Outcome | undefined {
  if (ifVersion === undefined) return undefined;
  const newest = files.get(rows, path)?.versions.at(-1) ?? 0;
  if (newest === ifVersion) return undefined;
  const is = newest === 0 ? "it does not exist" : `its newest version is ${newest}`;
  return refuse("CONFLICT", { what: path, why: `${is}, not ${ifVersion} as required` });
}

/** C4: an acknowledgement from before a drop is void. */
function checkReplicas(
  rows: Rows,
  { chunks: list }: FileUpload,
  { dropFloor }: CommitContext,
): Outcome | undefined {
  for (const { hash, replicas } of list)
    for (const { store, index } of replicas) {
      const floor = acknowledgedFrom(rows, { store: StoreId(store), hash, floor: dropFloor });
      if (floor > index) return refuse("STALE_CATALOG", { index, floor });
    }
  return undefined;
}

/** The copies of the chunk that has fewest; of an empty file, which rests on the log alone, the required ones. */
function copiesOf(rows: Rows, { chunks: list }: FileUpload, required: number): number {
  let least = Infinity;
  for (const chunk of list) least = Math.min(least, activeStores(rows, chunk).length);
  return least === Infinity ? required : least;
}

function activeStores(rows: Rows, { replicas }: UploadedChunk): readonly StoreId[] {
  const named = new Set(replicas.map(({ store }) => StoreId(store)));
  return [...named].filter((store) => stores.get(rows, store)?.state === "active");
}

/** C1, C2: each chunk once, however often the file repeats it. */
function addChunks(rows: Rows, { path, chunks: list }: FileUpload): Outcome | undefined {
  const lengths = new Map<ChunkHash, number>();
  for (const { hash, bytes } of list) {
    const known = lengths.get(hash) ?? chunks.get(rows, hash)?.bytes ?? bytes;
    if (known !== bytes)
      return invalid(path, `chunk ${hash} has ${known} bytes, not ${bytes}`, "upload again");
    lengths.set(hash, bytes);
  }
  const seen = new Set<ChunkHash>();
  for (const chunk of list) {
    const { hash, bytes } = chunk;
    const before = chunks.get(rows, hash);
    const known = before ?? { hash, bytes, stores: [], references: 0 };
    const references = known.references + (seen.has(hash) ? 0 : 1);
    seen.add(hash);
    const merged = withStores(rows, known, activeStores(rows, chunk));
    writeChunk(rows, before, { ...merged, references });
  }
  return undefined;
}

/** C3. */
function addVersion(
  rows: Rows,
  upload: FileUpload,
  commit: CommitContext & {
    readonly copies: number;
    readonly trimmed: { count: number };
    readonly ledger: Ledger;
  },
): FileVersion {
  const { path, bytes } = upload;
  const { index, now, copies, trimmed } = commit;
  const known = files.get(rows, path);
  const version = FileVersion((known?.last ?? 0) + 1);
  let keptBytes = bytes + (known === undefined ? 0 : keptBytesOf(rows, known));
  const readable = [...(known?.versions ?? []), version];
  const excess = Math.max(0, readable.length - commit.versionsKept);
  const room = Math.max(1, trimsPerCommit - trimmed.count);
  for (const old of readable.splice(0, Math.min(excess, room))) {
    keptBytes -= versions.get(rows, versionId(path, old))?.bytes ?? 0; // unreachable: a readable version has its row
    removeVersion(rows, { path, version: old, index, n: trimmed.count++ });
  }
  const record: VersionRecord = {
    path,
    version,
    bytes,
    chunks: upload.chunks.map((chunk) => ({ hash: chunk.hash, bytes: chunk.bytes })),
    committedAt: now,
    index,
    copies,
  };
  versions.put(rows, versionId(path, version), record);
  const file: FileRecord = {
    path,
    versions: readable,
    last: version,
    bytes,
    modifiedAt: now,
    keptBytes,
  };
  commit.ledger.put(known, file);
  return version;
}

function invalid(what: string, why: string, remedy: string): Outcome {
  return refuse("INVALID", { what, why, remedy });
}
