/** Files and the log over HTTP. The table of routes is in routes.ts. */
import { type Static, Type } from "../schema.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

export const FileView = Type.Object(
  {
    path: Type.String(),
    version: Count,
    bytes: Count,
    chunks: Count,
    /** Copies durable when the version was acknowledged. */
    copies: Count,
    committedAtMs: Count,
    /**
     * Names the content: SHA-256, hex, over the SHA-256 of each chunk (4 MiB, the last what is left), 32 bytes each, in
     * order. Empty when the version is not known any more.
     */
    content: Type.String(),
  },
  closed,
);
export type FileView = Static<typeof FileView>;

export const ListView = Type.Object(
  {
    files: Type.Array(
      Type.Object(
        { path: Type.String(), version: Count, bytes: Count, modifiedAtMs: Count },
        closed,
      ),
    ),
    /** Give it as `after` for the next page; absent on the last. */
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type ListView = Static<typeof ListView>;

/** What lies under a folder, or under the prefix that was asked for. */
export const FolderUsage = Type.Object(
  {
    path: Type.String(),
    files: Count,
    /** Of the newest versions. */
    bytes: Count,
    /** Of all readable versions, the newest included. */
    keptBytes: Count,
  },
  closed,
);
export type FolderUsage = Static<typeof FolderUsage>;

/**
 * A part of what there is: each file counts in one folder, the deepest one above it that `depth` allows. A folder may
 * come in several pages, and its sums are then to be added up.
 */
export const UsageView = Type.Object(
  {
    folders: Type.Array(FolderUsage),
    /** Give it as `after` for the next page; absent on the last. */
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type UsageView = Static<typeof UsageView>;

/** What is not given has no limit; one of them must be. */
export const SetQuotaBody = Type.Object(
  { bytes: Type.Optional(Count), files: Type.Optional(Count) },
  closed,
);
export type SetQuotaBody = Static<typeof SetQuotaBody>;

export const QuotaView = Type.Object(
  {
    /** Ends in `/`, or is empty: everything. */
    prefix: Type.String(),
    bytesLimit: Type.Optional(Count),
    filesLimit: Type.Optional(Count),
    /** What lies there, the newest version of each file; absent while what was there before is being counted. */
    bytes: Type.Optional(Count),
    files: Type.Optional(Count),
  },
  closed,
);
export type QuotaView = Static<typeof QuotaView>;

export const RemovedQuota = Type.Object({ prefix: Type.String() }, closed);
export type RemovedQuota = Static<typeof RemovedQuota>;

/** Moves of one moment, all or none: 1 to 1,000. */
export const MoveBody = Type.Object(
  { moves: Type.Array(Type.Object({ from: Type.String(), to: Type.String() }, closed)) },
  closed,
);
export type MoveBody = Static<typeof MoveBody>;

/** In the order in which they were asked for. */
export const MovedView = Type.Object(
  {
    files: Type.Array(
      Type.Object(
        {
          from: Type.String(),
          path: Type.String(),
          /** What the newest version is now called. */
          version: Count,
        },
        closed,
      ),
    ),
  },
  closed,
);
export type MovedView = Static<typeof MovedView>;

export const LocateView = Type.Object(
  {
    path: Type.String(),
    version: Count,
    bytes: Count,
    chunks: Type.Array(
      Type.Object(
        {
          hash: Type.String(),
          bytes: Count,
          replicas: Type.Array(Type.Object({ node: Type.String(), state: Type.String() }, closed)),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type LocateView = Static<typeof LocateView>;

/** Chunks that some version names, of a part of the catalog, by how they are; pages are added up. */
export const FsckView = Type.Object(
  {
    /** Nodes on which copies count. */
    nodes: Count,
    chunks: Count,
    bytes: Count,
    /** As many copies as are wanted: 4, or one on each node when there are fewer. */
    whole: Count,
    lacking: Count,
    /** None can be read until a node is back. */
    unavailable: Count,
    /** No node has them any more. */
    lost: Count,
    /** Copies beyond the wanted ones. */
    excess: Count,
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type FsckView = Static<typeof FsckView>;

/** Versions that cannot be read whole, and how many of their chunks cannot. */
export const FsckFilesView = Type.Object(
  {
    files: Type.Array(
      Type.Object({ path: Type.String(), version: Count, lost: Count, unavailable: Count }, closed),
    ),
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type FsckFilesView = Static<typeof FsckFilesView>;

export const StoreView = Type.Object(
  {
    node: Type.String(),
    store: Type.String(),
    chunks: Type.Array(Type.Object({ hash: Type.String(), bytes: Count }, closed)),
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type StoreView = Static<typeof StoreView>;

export const LogEntryView = Type.Object(
  {
    index: Count,
    term: Count,
    kind: Type.String(),
    bytes: Count,
    /** Running hash of the chain up to this entry, hex. */
    chain: Type.String(),
    /** The decoded command of a `command` entry, byte strings in hex. */
    command: Type.Optional(Type.Unknown()),
  },
  closed,
);
export type LogEntryView = Static<typeof LogEntryView>;

export const LogView = Type.Object(
  {
    firstIndex: Count,
    lastIndex: Count,
    commitIndex: Count,
    entries: Type.Array(LogEntryView),
  },
  closed,
);
export type LogView = Static<typeof LogView>;
