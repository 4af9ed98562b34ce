/**
 * Opening the log: walk it from its base, compare it with the mark and with the state, and say what is trusted.
 *
 * Whatever does not fit is *damage*: a missing tail, a bad or missing entry, a chain that does not lead to the mark.
 * The node then keeps the prefix before the first bad entry and takes part only as the rules for damaged nodes allow
 * (src/raft/state.ts, R9). A lone voter has nobody to refill it: it refuses to start, before anything is changed.
 *
 *  G1 the state stands for every entry up to its applied index, so a log that does not reach it, or that is of another
 *     history there, begins anew at the state's position, with what follows it by chain and whole.
 *  G2 a state below the base cannot be brought forward by the log: that begins at the state's position too, and is
 *     damaged, since entries that this node has acknowledged are gone.
 *  G3 a log reset to a snapshot that was just installed is not damaged: installing was cut short (log-store.ts). It is
 *     all the same when the mark still names an entry beyond.
 *  G4 the note of damage is durable before anything is deleted, and stays until healed.
 */
import type { Runtime } from "../../lib/runtime.ts";
import { assert, LogIndex, type Term } from "../../lib/types.ts";
import { decodeConfiguration } from "../../raft/configuration.ts";
import type { ConfigurationAt, Entry, HardState } from "../../raft/types.ts";
import { mergeHardState, putHardState } from "./hard-state.ts";
import type { StoredEntry } from "./entry-codec.ts";
import { type Database, readQuietly, writeSynced } from "./database.ts";
import { type LogPosition, logStart, putBase, readBase, type StoredBase } from "./log-base.ts";
import { LogSizes } from "./log-sizes.ts";
import { deleteFrom, deleteTo } from "./log-trim.ts";
import { walkLog } from "./log-walk.ts";
import type { Mark } from "./mark.ts";

/** Key of what was wrong when the log was last opened; there until the damage is healed (R9). */
export const damageKey = "d";

/** Notes of damage kept: enough to see what happened, however often the node was restarted since. */
const damageNotes = 16;

/** What the state says of itself. */
export interface StatePosition {
  readonly index: number;
  /** Unknown to a state that an older version wrote. */
  readonly place: Pick<LogPosition, "term" | "chain"> | undefined;
  readonly configuration: ConfigurationAt | undefined;
  /** It is a snapshot that was installed here, with nothing applied since. */
  readonly isInstalled: boolean;
}

export const emptyState: StatePosition = {
  index: 0,
  place: logStart,
  configuration: undefined,
  isInstalled: false,
};

export interface LogEvidence {
  readonly mark: Mark | undefined;
  /** The directory was made just now: then, and only then, may there be no mark. */
  readonly isNew: boolean;
  readonly state: StatePosition;
  /** What a check of the database's files found. */
  readonly faults: readonly string[];
}

export interface Recovered {
  readonly hardState: HardState;
  readonly base: StoredBase;
  /** The base's, if it is known not to be the founders', and those of the log's entries. */
  readonly configurations: readonly ConfigurationAt[];
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly lastChain: Uint8Array;
  readonly sizes: LogSizes;
  /** What is wrong, for people; empty: nothing. */
  readonly damage: readonly string[];
  /** The base is another than the database says. */
  readonly isRebased: boolean;
}

interface Walk {
  readonly base: StoredBase;
  readonly configurations: ConfigurationAt[];
  readonly sizes: LogSizes;
  end: LogPosition;
  /** The chains at the mark's index and at the state's, when the walk came by. */
  chainAtMark: Uint8Array | undefined;
  chainAtState: Uint8Array | undefined;
  /** What comes before the mark's entry. */
  beforeMark: LogPosition | undefined;
  /** The first thing wrong. */
  fault: string | undefined;
}

/** Judges and settles at once: for whoever has neither a state nor a lone voter to think of. */
export async function recoverLog(
  database: Database,
  mark: Mark | undefined,
  isNew: boolean,
  runtime: Runtime,
): Promise<Recovered> {
  const judged = await judgeLog(database, { mark, isNew, state: emptyState, faults: [] });
  await settleLog(database, judged, runtime);
  return judged;
}

/** Reads and judges the log; changes nothing. */
export async function judgeLog(database: Database, evidence: LogEvidence): Promise<Recovered> {
  const { mark, state, isNew } = evidence;
  const damage = earlierDamage(database, mark);
  damage.push(...evidence.faults);
  const stored = readBase(database);
  if (stored === undefined) damage.push("the record of the log's base");
  let walk = await walkEntries(database, stored ?? logStart, evidence);
  if (walk.fault !== undefined) damage.push(walk.fault);
  const mismatch = mismatchWith(state, walk);
  const begun = stateBase(state);
  const mustRebase = (stored === undefined || mismatch !== undefined) && begun !== undefined;
  if (mismatch !== undefined && !(state.isInstalled && mustRebase)) damage.push(mismatch);
  // G1 and G2. What is wrong behind the new base was said above, or is what an installation was about to discard.
  if (mustRebase) walk = await walkEntries(database, begun, evidence);
  if (mark === undefined) {
    if (!isNew) damage.push("the mark file is missing or unreadable");
  } else if (mark.index > walk.end.index) {
    damage.push(`the log ends at ${walk.end.index}, the mark is at ${mark.index}`);
  } else if (
    mark.index > 0 &&
    mark.index >= walk.base.index &&
    !same(walk.chainAtMark, mark.chain)
  ) {
    damage.push(`entry ${mark.index} is not the one the mark names`);
    walk = rewound(walk);
    // G1 again: what was cut off may have been applied.
    if (walk.end.index < state.index && begun !== undefined) walk = emptyWalk(begun);
  }
  const { base, configurations, end, sizes } = walk;
  return {
    hardState: mergeHardState(database, mark, damage),
    base,
    configurations,
    lastIndex: end.index,
    lastTerm: end.term,
    lastChain: end.chain,
    sizes,
    damage,
    isRebased:
      stored === undefined || base.index !== stored.index || !same(base.chain, stored.chain),
  };
}

/** Makes the database what was judged. Each step leaves what the next opening judges alike. */
export async function settleLog(
  database: Database,
  { damage, base, lastIndex, isRebased, hardState }: Recovered,
  runtime: Runtime,
): Promise<void> {
  if (damage.length > 0) {
    // G4: a restart in between or after must not take the rest for the whole.
    const value = new TextEncoder().encode(damage.slice(0, damageNotes).join("\n"));
    await writeSynced(database, [
      { type: "put", key: damageKey, value },
      // It may have been lost from here, and be in the mark alone.
      putHardState(hardState),
    ]);
  }
  if (damage.length > 0 || isRebased) await deleteFrom(database, LogIndex(lastIndex + 1), runtime);
  if (isRebased) await writeSynced(database, [putBase(base)]);
  // Also what a compaction that was cut short left.
  await deleteTo(database, base.index, { runtime });
}

/** What the log and the state contradict each other in. */
function mismatchWith(state: StatePosition, walk: Walk): string | undefined {
  const { base, end } = walk;
  if (state.index < base.index)
    return `the state is at ${state.index}, the log begins after ${base.index}`;
  if (state.index > end.index)
    return `the log ends at ${end.index}, the state is at ${state.index}`;
  if (state.place === undefined || same(walk.chainAtState, state.place.chain)) return undefined;
  return `entry ${state.index} is not the one the state was made from`;
}

/** The base of a log that begins where the state ends. */
function stateBase({ index, place, configuration }: StatePosition): StoredBase | undefined {
  if (index === 0) return logStart;
  return place && { index: LogIndex(index), ...place, configuration: configuration?.configuration };
}

/** Damage of an earlier start that has not been healed since. */
function earlierDamage(database: Database, mark: Mark | undefined): string[] {
  const note = readQuietly(database, damageKey);
  if (note !== undefined) return new TextDecoder().decode(note).split("\n");
  return mark?.isDamaged === true ? ["an earlier start found damage"] : [];
}

function emptyWalk(base: StoredBase): Walk {
  const { index, configuration } = base;
  return {
    base,
    configurations: configuration === undefined ? [] : [{ index, configuration }],
    sizes: new LogSizes(),
    end: base,
    chainAtMark: undefined,
    chainAtState: undefined,
    beforeMark: undefined,
    fault: undefined,
  };
}

/** The good entries after the base, and what ended them. */
async function walkEntries(
  database: Database,
  base: StoredBase,
  { mark, state }: LogEvidence,
): Promise<Walk> {
  const walk = emptyWalk(base);
  const pass = (at: LogPosition): void => {
    walk.end = at;
    if (at.index === mark?.index) walk.chainAtMark = at.chain;
    if (at.index + 1 === mark?.index) walk.beforeMark = at;
    if (at.index === state.index) walk.chainAtState = at.chain;
  };
  pass(base);
  const entries = walkLog(database, base);
  for (let next = await step(entries, walk); ; next = await step(entries, walk)) {
    if (next.done === true) {
      walk.fault = next.value;
      return walk;
    }
    const { entry, chain } = next.value;
    pass({ index: entry.index, term: entry.term, chain });
    walk.sizes.add(entry.index, entry.data.length);
    if (entry.kind === "configuration") walk.configurations.push(configurationOf(entry));
  }
}

/** The next entry. LevelDB throws where a damaged block cannot be read at all: that ends the walk like a bad entry. */
async function step(
  entries: ReturnType<typeof walkLog>,
  { end }: Walk,
): Promise<IteratorResult<StoredEntry, string | undefined>> {
  try {
    return await entries.next();
  } catch (error) {
    const value = `entry ${end.index + 1}: ${error instanceof Error ? error.message : "unreadable"}`;
    return { done: true, value };
  }
}

/** What a configuration entry brings. */
export function configurationOf(entry: Entry): ConfigurationAt {
  const configuration = decodeConfiguration(entry.data);
  assert(configuration !== undefined, "a configuration entry holds a configuration");
  return { index: entry.index, configuration };
}

/** Takes the walk back to before the entry that the mark should name; never to before the base. */
function rewound(walk: Walk): Walk {
  const end = walk.beforeMark ?? walk.base;
  walk.sizes.truncateFrom(LogIndex(end.index + 1));
  const configurations = walk.configurations.filter(({ index }) => index <= end.index);
  return { ...walk, configurations, end };
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}
