/**
 * Who should be in the Raft group, and who should vote (design section 9): a pure comparison of the member list with the
 * configuration. One change at a time; what is still wrong after it is seen the next time.
 *
 * V1 a node that is there to stay learns; one that has left is taken out.
 * V2 a learner that has caught up becomes a voter while there are fewer voters than wanted.
 * V3 a voter that is leaving, or has been down for {@link replaceAfterMs}, makes room for a learner that has caught up.
 * V4 without one for {@link demoteAfterMs}, dead voters become learners, as few as it takes to survive one loss more than
 *    now, and never below three voters.
 * V5 more voters than wanted become fewer, dead ones and those that lead to no change of leader first.
 * V6 no change is proposed whose own voters could not commit it: a majority of each half must be well.
 */
import type { NodeId } from "../lib/types.ts";
import type { ConfigurationChange } from "../raft/configuration.ts";
import { isJoint } from "../raft/configuration.ts";
import { members as configured } from "../raft/quorum.ts";
import type { Configuration } from "../raft/types.ts";

/** A dead voter is replaced after this, in ms of log time: most restarts are over by then. */
export const replaceAfterMs = 60_000;
/** Without a spare it is demoted after this, in ms of log time. */
export const demoteAfterMs = 5 * 60_000;
/** Fewer voters survive no loss at all, or one only in name. */
const votersMin = 3;

export interface PlannedNode {
  readonly node: NodeId;
  readonly state: "up" | "down" | "left";
  readonly leaving: boolean;
  /** Ms of log time since the state last changed. */
  readonly sinceMs: number;
  /** Its log has what the leader's had a moment ago, and it was heard of late. The leader's own always has. */
  readonly hasCaughtUp: boolean;
}

export interface VoterView {
  readonly leader: NodeId;
  readonly configuration: Configuration;
  readonly nodes: readonly PlannedNode[];
  /** Voters wanted: the replicated setting. */
  readonly votersWanted: number;
}

/** The next change; undefined: all is as it should be, or nothing can be done now. */
export function planVoters(view: VoterView): readonly ConfigurationChange[] | undefined {
  // The core leaves a joint configuration by itself.
  if (isJoint(view.configuration)) return undefined;
  const changes =
    membership(view) ?? replacement(view) ?? promotion(view) ?? demotion(view) ?? surplus(view);
  return changes !== undefined && isCommittable(view, changes) ? changes : undefined;
}

/** V1. */
function membership({
  configuration,
  nodes,
  leader,
}: VoterView): ConfigurationChange[] | undefined {
  const inside = new Set(configured(configuration));
  const voters = new Set(configuration.voters);
  const changes: ConfigurationChange[] = [];
  for (const { node, state, leaving } of nodes) {
    if (state === "up" && !leaving && !inside.has(node)) changes.push({ kind: "addLearner", node });
    // A leader that has left hands over first (V3), and a voter goes when it can be spared.
    if (state === "left" && inside.has(node) && !voters.has(node))
      changes.push({ kind: "remove", node });
  }
  const leftVoters = nodes.filter(({ node, state }) => state === "left" && voters.has(node));
  const [gone] = leftVoters.filter(({ node }) => node !== leader);
  if (gone !== undefined && voters.size > 1) changes.push({ kind: "remove", node: gone.node });
  return changes.length === 0 ? undefined : changes;
}

/** V3. */
function replacement({ configuration, nodes }: VoterView): ConfigurationChange[] | undefined {
  const byNode = new Map(nodes.map((each) => [each.node, each]));
  const [unfit] = configuration.voters
    .map((voter) => byNode.get(voter))
    .filter((each) => each !== undefined)
    .filter(
      ({ state, leaving, sinceMs }) => leaving || (state === "down" && sinceMs >= replaceAfterMs),
    );
  if (unfit === undefined) return undefined;
  const [spare] = spares(configuration, nodes);
  if (spare !== undefined)
    return [
      { kind: "addVoter", node: spare.node },
      { kind: "addLearner", node: unfit.node },
    ];
  // Who leaves goes even without a successor, as long as somebody else votes.
  if (!unfit.leaving || configuration.voters.length < 2) return undefined;
  return [{ kind: "addLearner", node: unfit.node }];
}

/** V2. */
function promotion(view: VoterView): ConfigurationChange[] | undefined {
  const { configuration, nodes, votersWanted } = view;
  if (configuration.voters.length >= votersWanted) return undefined;
  const [spare] = spares(configuration, nodes);
  return spare === undefined ? undefined : [{ kind: "addVoter", node: spare.node }];
}

/** V4. Losses that a group of `voters` survives when `dead` of them are gone already. */
function tolerance(voters: number, dead: number): number {
  return Math.floor((voters - 1) / 2) - dead;
}

function demotion({ configuration, nodes }: VoterView): ConfigurationChange[] | undefined {
  const voters = new Set(configuration.voters);
  const dead = nodes.filter(
    ({ node, state, sinceMs }) => voters.has(node) && state === "down" && sinceMs >= demoteAfterMs,
  );
  const now = tolerance(voters.size, dead.length);
  for (let count = 1; count <= dead.length; count += 1) {
    const left = voters.size - count;
    if (left < votersMin) return undefined;
    if (tolerance(left, dead.length - count) > now)
      return dead.slice(0, count).map(({ node }) => ({ kind: "addLearner", node }));
  }
  return undefined;
}

/** V5. */
function surplus(view: VoterView): ConfigurationChange[] | undefined {
  const { configuration, nodes, votersWanted, leader } = view;
  if (configuration.voters.length <= votersWanted) return undefined;
  const byNode = new Map(nodes.map((each) => [each.node, each]));
  const isWell = (node: NodeId): number => (byNode.get(node)?.state === "up" ? 1 : 0);
  const [least] = configuration.voters
    .filter((node) => node !== leader)
    .toSorted((a, b) => isWell(a) - isWell(b) || (a > b ? -1 : 1));
  return least === undefined ? undefined : [{ kind: "addLearner", node: least }];
}

function spares({ learners }: Configuration, nodes: readonly PlannedNode[]): PlannedNode[] {
  return nodes
    .filter(
      ({ node, state, leaving, hasCaughtUp }) =>
        state === "up" && !leaving && hasCaughtUp && learners.includes(node),
    )
    .toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

/** V6. */
function isCommittable(
  { configuration, nodes }: VoterView,
  changes: readonly ConfigurationChange[],
): boolean {
  const well = new Set(
    nodes.filter(({ state, hasCaughtUp }) => state === "up" && hasCaughtUp).map(({ node }) => node),
  );
  const voters = new Set(configuration.voters);
  for (const { kind, node } of changes)
    if (kind === "addVoter") voters.add(node);
    else voters.delete(node);
  return [voters, new Set(configuration.voters)].every(
    (half) => [...half].filter((node) => well.has(node)).length * 2 > half.size,
  );
}
