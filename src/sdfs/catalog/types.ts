/**
 * The replicated file catalog: which versions a path has, of which chunks, on which stores. Cold tables:
 * apply reads single rows by key and never scans.
 */
import type { ChunkHash, FileVersion, LogTime, StoreId } from "../../lib/types.ts";

/** Copies of every chunk when enough nodes are up: any three may be lost. */
export const replicationFactor = 4;
/** Versions of a path that stay readable while nobody sets another number (`sdfs-versions`). */
export const versionsKept = 5;
/** Versions of a path that can be readable at most: each is in the file's row. */
export const versionsLimit = 100;
/** A node down for less than this still counts as required for a put, in milliseconds of log time. */
export const recentlyDownMs = 30_000;

/** `file/<path>` */
export interface FileRecord {
  readonly path: string;
  /** Readable versions, ascending. Empty: the file was removed. */
  readonly versions: readonly FileVersion[];
  /** The newest version ever given: numbers are not reused after a removal. */
  readonly last: FileVersion;
  /** Size of the newest readable version, for listings. */
  readonly bytes: number;
  readonly modifiedAt: LogTime;
  /** Log index of the removal whose versions can be restored while their `removed` rows last; absent when it is readable. */
  readonly removal?: number;
  /** Bytes of all readable versions; rows of before this was counted are without it ({@link VersionRecord} has them). */
  readonly keptBytes?: number;
}

/** `version/<path>@<version, 10 digits>` */
export interface VersionRecord {
  readonly path: string;
  readonly version: FileVersion;
  readonly bytes: number;
  readonly chunks: readonly { readonly hash: ChunkHash; readonly bytes: number }[];
  readonly committedAt: LogTime;
  /** Log index of the commit. */
  readonly index: number;
  /** How many copies were durable when it was acknowledged. */
  readonly copies: number;
}

/** `chunk/<hash>` */
export interface ChunkRecord {
  readonly hash: ChunkHash;
  readonly bytes: number;
  /** Stores with a durable copy, ascending. A store that was lost is taken out by `lose-chunks`. */
  readonly stores: readonly StoreId[];
  /** Readable and removed-but-pinned versions that name it. */
  readonly references: number;
}

/** `held/<store>/<hash>` → bytes: what a store should have, the other way round of {@link ChunkRecord.stores}. */
export type HeldRecord = number;

/** `lacking/<hash>` → copies recorded, fewer than {@link replicationFactor}: damage, a lost chunk, or a small cluster. */
export type LackingRecord = number;

/**
 * `removed/<log index, 12 digits>/<n, 4 digits>`: a version taken from the listing, kept until collection may have it
 * (collection.ts).
 */
export interface RemovedRecord {
  readonly path: string;
  readonly version: FileVersion;
  readonly chunks: readonly { readonly hash: ChunkHash; readonly bytes: number }[];
  /** What makes it readable again; absent where nobody can ask for that: it was outnumbered, or purged. */
  readonly restore?: RestoreRecord;
}

export interface RestoreRecord {
  /** Log time of the removal. */
  readonly removedAt: LogTime;
  /** As in {@link VersionRecord}. */
  readonly committedAt: LogTime;
  readonly index: number;
  readonly copies: number;
}

/** So many files, of so many bytes together. */
export interface Amount {
  readonly bytes: number;
  readonly files: number;
}

/** `quota/<prefix, percent-encoded>`: how much may lie under a prefix, which ends in `/` or is empty. Hot. */
export interface QuotaRecord {
  readonly prefix: string;
  /** Log index of the command that made it. */
  readonly made: number;
  readonly bytesLimit?: number | undefined;
  readonly filesLimit?: number | undefined;
  /** What has been added since then, less what was taken away. */
  readonly delta: Amount;
  /** What there was then; absent while the leader counts it. */
  readonly base?: Amount | undefined;
}

/** `store/<id>`: a chunk folder. Hot. A new id in a node's registration makes the old store `lost`. */
export interface StoreRecord {
  readonly id: StoreId;
  readonly node: string;
  readonly state: "active" | "lost";
  /** Bytes for chunks, as its node said last; 0: it is full; absent: it has not said yet (room.ts). */
  readonly room?: number;
}

/**
 * `dropped/<store>/<hash>` → log index at which this chunk was last taken off this store, by a drop or by damage. An
 * acknowledgement before it is void.
 */
export type DroppedRecord = number;

/** `surplus/<hash>` → copies recorded, more than {@link replicationFactor}: repair made some while a node was away. */
export type SurplusRecord = number;

/** `garbage/<hash>` → bytes: a chunk that no version names, for collection to find. */
export type GarbageRecord = number;
