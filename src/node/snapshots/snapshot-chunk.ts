/**
 * A snapshot in pieces: what a node asks for, and what it is told and given. A piece is whole rows in key order, still
 * under their seals; `after` says where it begins, so that any piece can be asked for again.
 */
import { crc32 } from "node:zlib";
import { IDunnoError } from "../../lib/errors.ts";
import { pack, unpack } from "../../lib/msgpack.ts";
import { parser, type Static, Type } from "../../lib/schema.ts";
import { LogIndex, Term } from "../../lib/types.ts";
import { decodeConfiguration, encodeConfiguration } from "../../raft/configuration.ts";
import type { StoredBase } from "../stores/log-base.ts";
import { unseal } from "../stores/seal.ts";
import type { AppliedPosition } from "../stores/state-rows.ts";

/** Bytes of rows after which a chunk ends: some milliseconds of a disk and of a gigabit. A row more, and it is sent. */
export const chunkBytes = 1024 * 1024;

const Count = Type.Integer({ minimum: 0 });
const Hex = Type.String({ pattern: "^(?:[0-9a-f]{2})*$", maxLength: 65_536 });

export const SnapshotRequest = Type.Object(
  {
    kind: Type.Literal("snapshotChunk"),
    /** Which one; empty: a new one. */
    snapshot: Type.String({ maxLength: 32 }),
    /** The last key that the asker has; empty: from the start. */
    after: Type.String({ maxLength: 8_192 }),
  },
  { additionalProperties: false },
);
export type SnapshotRequest = Static<typeof SnapshotRequest>;

const Head = Type.Object(
  {
    snapshot: Type.String({ minLength: 1, maxLength: 32 }),
    index: Count,
    term: Count,
    chain: Hex,
    hash: Count,
    /** Encoded; empty: the founders'. */
    configuration: Hex,
    /** The last key in the body; the next `after`. */
    next: Type.String(),
    /** Rows, and the CRC over them, from the snapshot's first row to this body's last. */
    rows: Count,
    crc: Count,
    /** Nothing follows. */
    done: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type SnapshotHead = Static<typeof Head>;

export const parseSnapshotHead = parser(Head, "snapshot chunk");

/** What a snapshot stands for. */
export interface SnapshotPosition extends StoredBase {
  readonly hash: number;
}

/** The part of a head that is the same in every chunk. */
export function describePosition({
  index,
  hash,
  place,
  configuration,
}: AppliedPosition): Pick<SnapshotHead, "index" | "term" | "chain" | "hash" | "configuration"> {
  const bytes = configuration === undefined ? "" : encodeConfiguration(configuration.configuration);
  return {
    index,
    term: place?.term ?? 0,
    chain: Buffer.from(place?.chain ?? "").toString("hex"),
    hash,
    configuration: Buffer.from(bytes).toString("hex"),
  };
}

/** @throws IDunnoError MALFORMED */
export function positionOfHead(head: SnapshotHead): SnapshotPosition {
  const encoded = Buffer.from(head.configuration, "hex");
  const configuration = encoded.length === 0 ? undefined : decodeConfiguration(encoded);
  if (encoded.length > 0 && configuration === undefined)
    throw new IDunnoError("MALFORMED", { path: "snapshot chunk/configuration", expected: "one" });
  return {
    index: LogIndex(head.index),
    term: Term(head.term),
    chain: new Uint8Array(Buffer.from(head.chain, "hex")),
    hash: head.hash,
    configuration,
  };
}

export type SealedRow = readonly [key: string, row: Uint8Array];

/** How far a snapshot has been read or received. */
export interface Tally {
  readonly rows: number;
  readonly crc: number;
}

export const noTally: Tally = { rows: 0, crc: 0 };

export function count({ rows, crc }: Tally, added: readonly SealedRow[]): Tally {
  let sum = crc;
  for (const [key, row] of added) sum = crc32(row, crc32(key, sum));
  return { rows: rows + added.length, crc: sum };
}

export function packRows(rows: readonly SealedRow[]): Uint8Array {
  return pack(rows);
}

/**
 * The rows of a body, each proven by its seal, in ascending order after `after`.
 * @throws IDunnoError MALFORMED
 */
export function unpackRows(body: Uint8Array, after: string): SealedRow[] {
  const value = unpack(body, "snapshot rows");
  if (!Array.isArray(value)) throw malformed("a list of rows");
  let before = Buffer.from(after);
  return value.map((each: unknown) => {
    const [key, row] = Array.isArray(each) ? (each as readonly unknown[]) : [];
    if (typeof key !== "string" || !(row instanceof Uint8Array)) throw malformed("a key and a row");
    const bytes = Buffer.from(key);
    if (Buffer.compare(bytes, before) <= 0) throw malformed(`a key after ${before.toString()}`);
    if (unseal(row, key) === undefined) throw malformed(`a whole row ${key}`);
    before = bytes;
    return [key, row] as const;
  });
}

function malformed(expected: string): IDunnoError {
  return new IDunnoError("MALFORMED", { path: "snapshot rows", expected });
}
