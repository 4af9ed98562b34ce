/**
 * Where a log begins: the entry just before its first one, which stands for all that was compacted away. Kept in the
 * log's database under the key `b`, sealed: `[index, term, chain, configuration]`, the last one absent while the
 * founders' configuration holds.
 */
import { pack, unpack } from "../../lib/msgpack.ts";
import { LogIndex, Term } from "../../lib/types.ts";
import { decodeConfiguration, encodeConfiguration } from "../../raft/configuration.ts";
import type { Configuration } from "../../raft/types.ts";
import { chainBytes, chainStart } from "./entry-codec.ts";
import { type Database, type Operation, readQuietly } from "./database.ts";
import { seal, unseal } from "./seal.ts";

/** Key of the base; absent while the log begins at 1. */
const baseKey = "b";

/** An entry of the log, or of the history before it, by what proves it. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Uint8Array;
}

export interface StoredBase extends LogPosition {
  /** As of the base; undefined: the founders'. */
  readonly configuration: Configuration | undefined;
}

/** Before the first entry of a log that was never compacted. */
export const logStart: StoredBase = {
  index: LogIndex(0),
  term: Term(0),
  chain: chainStart,
  configuration: undefined,
};

export function putBase({ index, term, chain, configuration }: StoredBase): Operation {
  const place = [index, term, chain];
  const value =
    configuration === undefined ? place : [...place, encodeConfiguration(configuration)];
  return { type: "put", key: baseKey, value: seal(pack(value), baseKey) };
}

/** The base; undefined when its record is damaged. */
export function readBase(database: Database): StoredBase | undefined {
  const bytes = readQuietly(database, baseKey);
  if (bytes === undefined) return logStart;
  const content = unseal(bytes, baseKey);
  const value = content === undefined ? undefined : unpack(content, "the log's base");
  if (!Array.isArray(value)) return undefined;
  const [index, term, chain, configuration] = value as readonly unknown[];
  if (typeof index !== "number" || typeof term !== "number") return undefined;
  if (!(chain instanceof Uint8Array) || chain.length !== chainBytes) return undefined;
  return {
    index: LogIndex(index),
    term: Term(term),
    chain,
    configuration:
      configuration instanceof Uint8Array ? decodeConfiguration(configuration) : undefined,
  };
}
