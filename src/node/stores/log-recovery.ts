/**
 * Opening the log: walk it all, compare it with the mark, and say what is trusted.
 *
 * Whatever does not fit is *damage*: a missing tail, a bad or missing entry, a chain that does not lead to the mark.
 * The node then keeps the prefix before the first bad entry and takes part only as the rules for damaged nodes allow
 * (src/raft/state.ts, R9). A lone voter has nobody to refill it: it refuses to start.
 */
import { IDunnoError } from "../../lib/errors.ts";
import { unpack } from "../../lib/msgpack.ts";
import { LogIndex, NodeId, Term } from "../../lib/types.ts";
import type { HardState } from "../../raft/types.ts";
import { chainStart, decodeEntry, entryKey } from "./entry-codec.ts";
import { type Database, type Operation, writeSynced } from "./level.ts";
import { walkLog } from "./log-walk.ts";
import type { Mark } from "./mark.ts";
import { unseal } from "./seal.ts";

/** Key of the term and vote. */
export const hardStateKey = "h";

/** Key of what was wrong when the log was last opened; there until the damage is healed (R9). */
export const damageKey = "d";

/** Notes of damage kept: enough to see what happened, however often the node was restarted since. */
const damageNotes = 16;

/** Entries deleted per batch when a damaged tail is discarded. */
const discardBatch = 10_000;

export interface Recovered {
  readonly hardState: HardState;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly lastChain: Uint8Array;
  /** What is wrong, for people; empty: nothing. */
  readonly damage: readonly string[];
}

interface Walk {
  lastIndex: number;
  lastTerm: Term;
  lastChain: Uint8Array;
  /** The chain at the mark's index, when the walk came by. */
  chainAtMark: Uint8Array | undefined;
  /** The first thing wrong. */
  fault: string | undefined;
}

/**
 * Reads and judges the log. Entries from the first bad one on are deleted.
 * @param isNew the directory was made just now: then, and only then, may there be no mark
 */
export async function recoverLog(
  database: Database,
  mark: Mark | undefined,
  isNew: boolean,
): Promise<Recovered> {
  const walk = await walkEntries(database, mark);
  const damage = earlierDamage(database);
  if (walk.fault !== undefined) damage.push(walk.fault);
  if (mark === undefined) {
    if (!isNew) damage.push("the mark file is missing or unreadable");
  } else if (mark.index > walk.lastIndex) {
    damage.push(`the log ends at ${walk.lastIndex}, the mark is at ${mark.index}`);
  } else if (mark.index > 0 && !same(walk.chainAtMark, mark.chain)) {
    damage.push(`entry ${mark.index} is not the one the mark names`);
    rewind(database, walk, mark.index - 1);
  }
  const hardState = mergeHardState(database, mark, damage);
  if (damage.length > 0) {
    // First the note, then the deletions: a restart in between or after must not take the rest for the whole.
    const value = new TextEncoder().encode(damage.slice(0, damageNotes).join("\n"));
    await writeSynced(database, [{ type: "put", key: damageKey, value }]);
    await discardFrom(database, walk.lastIndex + 1);
  }
  return {
    hardState,
    lastIndex: LogIndex(walk.lastIndex),
    lastTerm: walk.lastTerm,
    lastChain: walk.lastChain,
    damage,
  };
}

/** Damage of an earlier start that has not been healed since. */
function earlierDamage(database: Database): string[] {
  const note = database.getSync(damageKey);
  return note === undefined ? [] : new TextDecoder().decode(note).split("\n");
}

/** The good entries from the start on, and what ended them. */
async function walkEntries(database: Database, mark: Mark | undefined): Promise<Walk> {
  const walk: Walk = {
    lastIndex: 0,
    lastTerm: Term(0),
    lastChain: chainStart,
    chainAtMark: undefined,
    fault: undefined,
  };
  const entries = walkLog(database);
  for (let next = await entries.next(); ; next = await entries.next()) {
    if (next.done === true) {
      walk.fault = next.value;
      return walk;
    }
    const { entry, chain } = next.value;
    walk.lastIndex = entry.index;
    walk.lastTerm = entry.term;
    walk.lastChain = chain;
    if (entry.index === mark?.index) walk.chainAtMark = chain;
  }
}

/** Takes the walk back to an entry that it has already found good. */
function rewind(database: Database, walk: Walk, to: number): void {
  const bytes = to === 0 ? undefined : database.getSync(entryKey(to));
  const stored = bytes === undefined ? undefined : decodeEntry(to, bytes);
  if (stored === undefined || typeof stored === "string") {
    walk.lastIndex = 0;
    walk.lastTerm = Term(0);
    walk.lastChain = chainStart;
    return;
  }
  walk.lastIndex = to;
  walk.lastTerm = stored.entry.term;
  walk.lastChain = new Uint8Array(stored.chain);
}

/** The larger term counts; at equal terms the vote that is set; two votes in one term are refused (design section 6). */
function mergeHardState(database: Database, mark: Mark | undefined, damage: string[]): HardState {
  const bytes = database.getSync(hardStateKey);
  const stored = bytes === undefined ? undefined : readHardState(bytes);
  if (bytes !== undefined && stored === undefined) damage.push("the stored term and vote");
  if (bytes === undefined && mark !== undefined && mark.hardState.term > 0)
    damage.push("the stored term and vote are missing");
  const none: HardState = { term: Term(0), vote: undefined };
  const a = stored ?? none;
  const b = mark?.hardState ?? none;
  if (a.term !== b.term) return a.term > b.term ? a : b;
  if (a.vote !== undefined && b.vote !== undefined && a.vote !== b.vote)
    throw new IDunnoError("CORRUPT", {
      file: database.location,
      at: `term ${a.term}: the log says it voted for ${a.vote}, the mark for ${b.vote}`,
      remedy: "restore the data directory from a copy: this node cannot tell how it voted",
    });
  return { term: a.term, vote: a.vote ?? b.vote };
}

function readHardState(bytes: Uint8Array): HardState | undefined {
  const content = unseal(bytes);
  if (content === undefined) return undefined;
  const value = unpack(content, "term and vote");
  if (!Array.isArray(value) || typeof value[0] !== "number") return undefined;
  return {
    term: Term(value[0]),
    vote: typeof value[1] === "string" ? NodeId(value[1]) : undefined,
  };
}

async function discardFrom(database: Database, from: number): Promise<void> {
  let operations: Operation[] = [];
  for await (const key of database.keys({ gte: entryKey(from), lt: "f" })) {
    operations.push({ type: "del", key });
    if (operations.length >= discardBatch) {
      await writeSynced(database, operations);
      operations = [];
    }
  }
  if (operations.length > 0) await writeSynced(database, operations);
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}
