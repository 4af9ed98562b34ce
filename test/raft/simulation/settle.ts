/** Faults are over: one leader, one configuration that is not joint, equal logs, and everything asked for is done. */
import { isJoint } from "../../../src/raft/configuration.ts";
import { members } from "../../../src/raft/quorum.ts";
import type { Cluster } from "../cluster.ts";

/** Virtual ms in which a group at peace has to come to rest: a few elections, and snapshots on their way. */
const restMs = 15_000;
/** Virtual ms in which a group at rest has to do what it is asked. */
const serveMs = 3_000;

export function settle(cluster: Cluster): void {
  let askedAt = -1;
  const hasRest = (): boolean => {
    // Once a millisecond: refused, as it is during a handover, and asked again at each event, time would stand still.
    if (askedAt < cluster.now && isInJoint(cluster)) {
      askedAt = cluster.now;
      cluster.leaveJoint(cluster.leader() ?? "");
    }
    return isAtRest(cluster);
  };
  if (!cluster.until(hasRest, restMs)) throw new Error("no rest in calm");
  // What was under way ends first: handovers, reads.
  cluster.run(serveMs);
  if (!cluster.until(hasRest, restMs)) throw new Error("no rest in calm");
  const leader = cluster.leader() ?? "";
  const { term } = cluster.raft(leader).role;
  if (!cluster.propose(leader, "last")) throw new Error("a leader at rest takes no proposal");
  const read = cluster.read(leader);
  const served = (): boolean =>
    cluster.checks.truth.text(cluster.committed) === "last" &&
    hasRest() &&
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

/** A joint configuration that nobody leaves by himself is committed. */
function isInJoint(cluster: Cluster): boolean {
  const leader = cluster.leader();
  if (leader === undefined) return false;
  const { isReadyLeader, isConfigurationCommitted, configuration } = cluster.raft(leader);
  const isCommitted = isReadyLeader && isConfigurationCommitted;
  return isCommitted && isJoint(configuration) && !configuration.autoLeave;
}

function isAtRest(cluster: Cluster): boolean {
  const leader = cluster.leader();
  if (leader === undefined) return false;
  const raft = cluster.raft(leader);
  if (!raft.isReadyLeader || !raft.isConfigurationCommitted) return false;
  const { configuration, lastIndex, role } = raft;
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
