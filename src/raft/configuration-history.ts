/**
 * The configurations in the log: each is in force from the moment its entry is appended until that is truncated
 * (R12), so the log alone says who votes, and a node that has not applied an entry yet knows it all the same
 * (etcd #12359).
 */
import { assert, type LogIndex } from "../lib/types.ts";
import { decodeConfiguration } from "./configuration.ts";
import { inForce, type RaftState } from "./state.ts";
import type { ConfigurationAt, Entry } from "./types.ts";

/** Entries were appended: the configurations among them come into force. */
export function configurationsAppended(state: RaftState, entries: readonly Entry[]): void {
  for (const { kind, index, data } of entries) {
    if (kind !== "configuration") continue;
    const configuration = decodeConfiguration(data);
    assert(configuration !== undefined, "a configuration entry holds a configuration");
    state.configurations = [...state.configurations, { index, configuration }];
  }
}

/** Entries from an index on were taken back: so were their configurations. */
export function configurationsTruncated(state: RaftState, from: LogIndex): void {
  if (inForce(state).index < from) return;
  state.configurations = state.configurations.filter(({ index }) => index < from);
}

/** Configurations that nothing can bring back any more are forgotten, but for the newest of them. */
export function configurationsCompacted(state: RaftState, base: LogIndex): void {
  const kept = state.configurations.findLastIndex(({ index }) => index <= base);
  if (kept > 0) state.configurations = state.configurations.slice(kept);
}

/** The configuration as of an index of the log, for a snapshot or a new base. */
export function configurationAsOf(state: RaftState, index: LogIndex): ConfigurationAt {
  const found = state.configurations.findLast((each) => each.index <= index);
  assert(found !== undefined, "the base's configuration is kept");
  return found;
}
