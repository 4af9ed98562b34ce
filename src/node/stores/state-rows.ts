/**
 * Rows of the state on disk, each under a CRC over key and value, and the rows that say what the state stands for. These
 * begin with `!`, so that they sort before every table.
 */
import { IDunnoError } from "../../lib/errors.ts";
import { pack, unpack } from "../../lib/msgpack.ts";
import { LogIndex, Term } from "../../lib/types.ts";
import { decodeConfiguration, encodeConfiguration } from "../../raft/configuration.ts";
import type { ConfigurationAt } from "../../raft/types.ts";
import type { Database, LevelSnapshot } from "./database.ts";
import type { LogPosition } from "./log-base.ts";
import { seal, unseal } from "./seal.ts";

/** `[index, hash, term, chain]`; older versions wrote the first two alone. */
export const appliedKey = "!applied";
/** `[index, configuration]`: the last configuration entry applied; absent while the founders' holds. */
export const configurationKey = "!configuration";

/** How far a snapshot has come (snapshots/snapshot-stage.ts); a state that has this row is not whole. */
export const stageKey = "!stage";

/** The log entry up to which a state holds. */
export interface AppliedPosition {
  readonly index: number;
  /** Running CRC over every mutation since the first: equal on every replica at equal index. */
  readonly hash: number;
  /** Unknown to a state that an older version wrote. */
  readonly place: Pick<LogPosition, "term" | "chain"> | undefined;
  readonly configuration: ConfigurationAt | undefined;
}

export function sealRow(key: string, value: unknown): Uint8Array {
  return seal(pack(value), key);
}

/** @throws IDunnoError CORRUPT */
export function openRow(database: Database, key: string, row: Uint8Array): unknown {
  const bytes = unseal(row, key);
  if (bytes === undefined) throw corrupt(database, `row ${key}`);
  return unpack(bytes, `row ${key}`);
}

function corrupt(database: Database, at: string): IDunnoError {
  return new IDunnoError("CORRUPT", {
    file: database.location,
    at,
    remedy: "restart the node: it sets the damaged state aside and makes it anew",
  });
}

export function appliedRow({
  index,
  hash,
  place,
}: Omit<AppliedPosition, "configuration">): Uint8Array {
  const value = place === undefined ? [index, hash] : [index, hash, place.term, place.chain];
  return sealRow(appliedKey, value);
}

export function configurationValue({ index, configuration }: ConfigurationAt): unknown {
  return [index, encodeConfiguration(configuration)];
}

/**
 * What a state stands for, as it was when the snapshot was taken.
 * @throws IDunnoError CORRUPT
 */
export function readPosition(database: Database, snapshot?: LevelSnapshot): AppliedPosition {
  const read = (key: string): unknown => {
    const bytes = database.getSync(key, snapshot === undefined ? {} : { snapshot });
    return bytes === undefined ? undefined : openRow(database, key, bytes);
  };
  const applied = read(appliedKey) ?? [0, 0];
  if (!Array.isArray(applied)) throw corrupt(database, "the applied index");
  const [index, hash, term, chain] = applied as readonly unknown[];
  if (typeof index !== "number" || typeof hash !== "number")
    throw corrupt(database, "the applied index");
  const place =
    typeof term === "number" && chain instanceof Uint8Array
      ? { term: Term(term), chain }
      : undefined;
  return { index, hash, place, configuration: configurationIn(read(configurationKey), database) };
}

function configurationIn(value: unknown, database: Database): ConfigurationAt | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw corrupt(database, "the configuration");
  const [index, bytes] = value as readonly unknown[];
  const configuration = bytes instanceof Uint8Array ? decodeConfiguration(bytes) : undefined;
  if (typeof index !== "number" || configuration === undefined)
    throw corrupt(database, "the configuration");
  return { index: LogIndex(index), configuration };
}
