/** Who may stand for election, and that asking around disturbs nobody: rules that no lost entry would ever tell of. */
import { LogIndex } from "../../../src/lib/types.ts";
import type { Raft } from "../../../src/raft/core.ts";
import { isVoter } from "../../../src/raft/quorum.ts";
import type { RaftEvent } from "../../../src/raft/types.ts";
import type { SimulatedNode } from "./node.ts";

/** A pre-vote speaks of a term that nobody has entered (dissertation §9.6). */
export function checkUndisturbed(
  { id, raft }: SimulatedNode,
  event: RaftEvent,
  term: number,
): void {
  if (event.kind !== "message" || event.message.kind !== "preVote") return;
  const now = raft?.role.term ?? term;
  if (now !== term) throw new Error(`R1: a pre-vote took ${id} from term ${term} to ${now}`);
}

/** Somebody began to stand. It has a vote, or had one before a change that is not committed (dissertation §4.2.2). */
export function checkMayStand({ id, isFull }: SimulatedNode, raft: Raft): void {
  if (raft.isDamaged) throw new Error(`R9: ${id} stands for election, though damaged`);
  if (isFull) throw new Error(`${id} stands for election without room on its disk`);
  const { index, configuration } = raft.configurationAsOf(raft.lastIndex);
  const isBound = index <= raft.commitIndex || index <= raft.base.index;
  const before = isBound
    ? configuration
    : raft.configurationAsOf(LogIndex(index - 1)).configuration;
  if (!isVoter(configuration, id) && !isVoter(before, id))
    throw new Error(`R12: ${id} stands for election without a vote`);
}
