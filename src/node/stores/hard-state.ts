/** Term and vote, which are kept twice: in the log's database under `h`, and in the mark. */
import { IDunnoError } from "../../lib/errors.ts";
import { pack, unpack } from "../../lib/msgpack.ts";
import { NodeId, Term } from "../../lib/types.ts";
import type { HardState } from "../../raft/types.ts";
import { type Database, type Operation, readQuietly } from "./database.ts";
import type { Mark } from "./mark.ts";
import { seal, unseal } from "./seal.ts";

/** Key of the term and vote. */
const hardStateKey = "h";

export function putHardState({ term, vote }: HardState): Operation {
  const value = seal(pack(vote === undefined ? [term] : [term, vote]));
  return { type: "put", key: hardStateKey, value };
}

/**
 * The larger term counts; at equal terms the vote that is set.
 * @param damage what is wrong is added here
 * @throws IDunnoError CORRUPT for two different votes in one term
 */
export function mergeHardState(
  database: Database,
  mark: Mark | undefined,
  damage: string[],
): HardState {
  const bytes = readQuietly(database, hardStateKey);
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
