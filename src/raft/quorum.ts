/**
 * Majorities, simple and joint (§6). An empty half of a joint configuration decides nothing: it never holds back
 * an index and never loses a vote, so that both shapes share one path.
 */
import type { NodeId } from "../lib/types.ts";
import type { Configuration } from "./types.ts";

/** The largest value that a majority of each half has reached. `of` gives a voter's value, 0 when unknown. */
export function quorumValue(configuration: Configuration, of: (voter: NodeId) => number): number {
  return Math.min(
    majorityValue(configuration.voters, of),
    majorityValue(configuration.outgoing, of),
  );
}

function majorityValue(voters: readonly NodeId[], of: (voter: NodeId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values = voters.map(of).sort((a, b) => b - a);
  return values[Math.floor(values.length / 2)] ?? 0; // unreachable: half of the length is within it
}

export type VoteResult = "won" | "lost" | "pending";

/** What the votes say so far; absent voters are still to answer. */
export function voteResult(
  configuration: Configuration,
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const halves = [
    majorityVote(configuration.voters, votes),
    majorityVote(configuration.outgoing, votes),
  ];
  if (halves.includes("lost")) return "lost";
  return halves.includes("pending") ? "pending" : "won";
}

function majorityVote(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  if (voters.length === 0) return "won";
  const needed = Math.floor(voters.length / 2) + 1;
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted += 1;
    if (vote === false) refused += 1;
  }
  if (granted >= needed) return "won";
  return voters.length - refused < needed ? "lost" : "pending";
}

export function isVoter(configuration: Configuration, node: NodeId): boolean {
  return configuration.voters.includes(node) || configuration.outgoing.includes(node);
}

/** Everybody who receives the log: voters of both halves and learners, each once. */
export function members(configuration: Configuration): NodeId[] {
  return [
    ...new Set([...configuration.voters, ...configuration.outgoing, ...configuration.learners]),
  ];
}
