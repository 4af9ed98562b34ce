/**
 * Many small files in one request, `POST /v1/files`: they become visible together, in one commit, or not at all. The
 * body is one file after the other, each a line of JSON ({@link BulkHeader}) and then exactly as many bytes as it says.
 */
import { chunkBytes } from "../content.ts";
import { type Static, Type } from "../schema.ts";
import { FileView } from "./files.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

export const bulkLimits = {
  /** Files of one request, which is one command: larger ones make an apply that heartbeats wait for. */
  files: 1_000,
  /** Bytes of one file: one chunk. A larger one gains nothing from company. */
  fileBytes: chunkBytes,
  /** Bytes of the body. A connection that breaks costs so much to send again. */
  bodyBytes: 64 * 1024 * 1024,
  /** Bytes of a header line: a path of 1,024 bytes, each of which JSON may write as six. */
  headerBytes: 8 * 1024,
  /** Paths that may be asked for at once. */
  paths: 1_000,
} as const;

/** What comes before the bytes of a file, on a line of its own. */
export const BulkHeader = Type.Object(
  {
    path: Type.String(),
    bytes: Type.Integer({ minimum: 0, maximum: bulkLimits.fileBytes }),
    /** The whole request is refused with CONFLICT unless this is the newest version (0: there must be none). */
    ifVersion: Type.Optional(Count),
  },
  closed,
);
export type BulkHeader = Static<typeof BulkHeader>;

/** In the order of the request. */
export const FilesView = Type.Object({ files: Type.Array(FileView) }, closed);
export type FilesView = Static<typeof FilesView>;

/** `POST /v1/stat`: the newest versions of those of the paths that exist, in the order of the request. */
export const StatBody = Type.Object(
  { paths: Type.Array(Type.String(), { maxItems: bulkLimits.paths }) },
  closed,
);
export type StatBody = Static<typeof StatBody>;
