/** Faults are over: one leader, one configuration that is not joint, equal logs, and everything asked for is done. */
import { NodeId } from "../../../src/lib/types.ts";
import { isJoint } from "../../../src/raft/configuration.ts";
import { isVoter, members } from "../../../src/raft/quorum.ts";
import type { Cluster } from "../cluster.ts";

/**
 * Virtual ms in which a group at peace has to come to rest: a few elections, and snapshots on their way, once the latest
 * copies of a leader's old heartbeats have arrived, which are 20 s on theirs.
 */
const restMs = 35_000;
/** Virtual ms in which a group at rest has to do what it is asked. */
const serveMs = 3_000;
/** So often a leader is asked to leave a joint configuration. */
const askMs = 100;

export function settle(cluster: Cluster): void {
  rest(cluster);
  // What was under way ends first: handovers, reads.
  cluster.run(serveMs);
  rest(cluster);
  handOver(cluster);
  const leader = cluster.leader() ?? "";
  const { term } = cluster.raft(leader).role;
  if (!cluster.propose(leader, "last")) throw new Error("a leader at rest takes no proposal");
  const read = cluster.read(leader);
  const served = (): boolean =>
    cluster.checks.truth.text(cluster.committed) === "last" &&
    isAtRest(cluster) &&
    cluster.node(leader).reads.get(read) !== undefined;
  if (!cluster.until(served, serveMs)) throw new Error("the last proposal or read was not served");
  cluster.run(serveMs);
  for (const { asked, id } of cluster.nodes.values())
    if (asked.size > 0) throw new Error(`${id} never answered ${asked.size} reads`);
  // Those without a place in the configuration run on, and must not disrupt.
  const { role } = cluster.raft(leader);
  if (role.kind !== "leader" || role.term !== term)
    throw new Error(`the leadership of term ${term} did not last in calm`);
}

function rest(cluster: Cluster): void {
  for (let ms = 0; !cluster.until(() => isAtRest(cluster), askMs); ms += askMs) {
    if (ms >= restMs) throw new Error("no rest in calm");
    const leader = cluster.leader();
    if (leader === undefined) continue;
    // Now and then: a leader that refuses for a while must not be asked after each event.
    const { configuration, isReadyLeader } = cluster.raft(leader);
    if (isReadyLeader && isJoint(configuration) && !configuration.autoLeave)
      cluster.leaveJoint(leader);
  }
}

/** A leader at rest is followed by whom it names, and what it had just taken is not lost (dissertation §3.10). */
function handOver(cluster: Cluster): void {
  const leader = cluster.leader() ?? "";
  const raft = cluster.raft(leader);
  const heir = raft.configuration.voters.find((id) => id !== leader);
  if (heir === undefined) return;
  if (!cluster.propose(leader, "bequest")) throw new Error("a leader at rest takes no proposal");
  const { lastIndex } = raft;
  if (cluster.handOver(leader, heir)?.kind !== "accepted")
    throw new Error(`${leader} at rest does not hand over to ${heir}`);
  const isDone = (): boolean =>
    cluster.leader() === heir &&
    isAtRest(cluster) &&
    cluster.checks.truth.text(lastIndex) === "bequest";
  if (!cluster.until(isDone, serveMs))
    throw new Error(`${leader} handed over to ${heir}, who did not take it, or not all of it`);
}

function isAtRest(cluster: Cluster): boolean {
  const leader = cluster.leader();
  if (leader === undefined) return false;
  const raft = cluster.raft(leader);
  if (!raft.isReadyLeader || !raft.isConfigurationCommitted) return false;
  const { configuration, lastIndex, role } = raft;
  // Who was removed leads only until somebody else can.
  if (!isVoter(configuration, NodeId(leader))) return false;
  if (isJoint(configuration)) return false;
  return members(configuration).every((id) => {
    const node = cluster.node(id);
    return (
      node.applied === lastIndex &&
      node.disk.lastIndex === lastIndex &&
      node.raft?.role.term === role.term &&
      !node.raft.isDamaged
    );
  });
}
