/**
 * Snapshots as consensus sees them (§7; dissertation §5). The bytes travel beside it: a leader whose log begins after
 * what a peer has offers one, the peer's driver fetches it in its own time from the leader's driver, and says when it
 * lies complete on the disk. Only then does the core decide whether it is still wanted (R11).
 */
import { LogIndex } from "../lib/types.ts";
import { noteHealIndex, replyMatched } from "./follower.ts";
import type { Progress } from "./progress.ts";
import { commitTo, type RaftState, send } from "./state.ts";
import type { SnapshotMeta, SnapshotOffer } from "./types.ts";

/** As the leader: what this peer needs next was compacted away. */
export function offerSnapshot(state: RaftState, progress: Progress): void {
  progress.offer = false;
  send(state, {
    kind: "snapshotOffer",
    from: state.id,
    to: progress.peer,
    term: state.term,
    index: state.log.base.index,
    healIndex: progress.healIndex,
  });
}

/** As a follower: said again until this node is where the leader's log can serve it. */
export function onSnapshotOffer(state: RaftState, message: SnapshotOffer): void {
  noteHealIndex(state, message);
  if (state.commitIndex >= message.index) {
    // It has it: what is committed is equal in both logs (R4).
    replyMatched(state, message.from, state.commitIndex);
    return;
  }
  state.wanted = { from: message.from, index: message.index };
}

/** A complete snapshot lies on the disk. Older than what is committed here, it is worth nothing any more. */
export function onSnapshotStaged(state: RaftState, snapshot: SnapshotMeta): void {
  const { log, role } = state;
  if (snapshot.index <= state.commitIndex || role.kind === "leader") return;
  if (log.term(snapshot.index) === snapshot.term) {
    // §7: the log has it all; only the knowledge that it is committed was missing.
    commitTo(state, snapshot.index);
  } else install(state, snapshot);
  if (role.kind !== "follower" || role.leader === undefined) return;
  replyMatched(state, role.leader, snapshot.index);
}

function install(state: RaftState, snapshot: SnapshotMeta): void {
  const { index, term, configuration } = snapshot;
  state.log.restore({ index, term });
  state.configurations = [{ index, configuration }];
  state.commitIndex = LogIndex(index);
  state.dirty.install = snapshot;
  state.dirty.truncateFrom = undefined;
  state.dirty.appendFrom = undefined;
}
