/** Who may stand for election, and who listens: rules that no lost entry would ever tell of. */
import { LogIndex } from "../../../src/lib/types.ts";
import type { Raft } from "../../../src/raft/core.ts";
import { isVoter } from "../../../src/raft/quorum.ts";
import type { RaftEvent, RaftTimings, RoleView } from "../../../src/raft/types.ts";
import type { SimulatedNode } from "./node.ts";

type Times = RaftTimings & { readonly now: number };

/**
 * A node was told something: no pre-vote takes it to another term (dissertation §9.6), nor does a vote while it hears a
 * leader (R8), unless that leader asked for it.
 */
export function checkProtects(
  node: SimulatedNode,
  event: RaftEvent,
  before: RoleView,
  times: Times,
): void {
  const { id, raft } = node;
  if (event.kind === "peerDied" && !times.leaseReads && before.leader === event.peer)
    node.heardAt = undefined;
  if (event.kind !== "message" || raft === undefined) return;
  const { message } = event;
  const { term } = raft.role;
  const isMoved = term !== before.term;
  switch (message.kind) {
    case "preVote":
      if (isMoved) throw new Error(`R1: a pre-vote took ${id} from term ${before.term} to ${term}`);
      return;
    case "vote": {
      const hears = times.now - (node.heardAt ?? Number.NEGATIVE_INFINITY) < times.electionMinMs;
      if (isMoved && hears && !message.handover)
        throw new Error(
          `R8: ${id} follows ${message.from} to term ${term} while it hears a leader`,
        );
      return;
    }
    case "append":
    case "heartbeat":
    case "snapshotOffer":
      if (message.term >= before.term) node.heardAt = times.now;
      return;
    default:
  }
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
