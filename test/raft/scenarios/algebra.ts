/**
 * The arithmetic of quorums and the algebra of configurations, without any node. Each quorum is computed a second
 * time by a slow and plain algorithm, and again with both halves exchanged, doubled and emptied.
 */
import { assert, NodeId } from "../../../src/lib/types.ts";
import {
  type Changed,
  enterJoint,
  leaveJoint,
  simpleChange,
} from "../../../src/raft/configuration.ts";
import { quorumValue, voteResult, type VoteResult } from "../../../src/raft/quorum.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { type Directive, parseChanges } from "./directive.ts";
import { renderConfiguration } from "./render.ts";
import type { Play } from "./runner.ts";

type Halves = Pick<Configuration, "voters" | "outgoing">;

const empty: Configuration = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

const withHalves = ({ voters, outgoing }: Halves): Configuration => ({
  ...empty,
  voters,
  outgoing,
});

/** The same question in other words; the answers must be equal. */
function variants({ voters, outgoing }: Halves): readonly Configuration[] {
  const reversed = { voters: outgoing, outgoing: voters };
  if (outgoing.length > 0) return [withHalves(reversed)];
  return [withHalves(reversed), withHalves({ voters, outgoing: voters })];
}

/** The largest value that more than half of a half has reached, by trying each. */
export function naiveQuorumValue(
  { voters, outgoing }: Halves,
  of: (voter: NodeId) => number,
): number {
  const reached = (half: readonly NodeId[], value: number): boolean =>
    half.length === 0 || half.filter((voter) => of(voter) >= value).length * 2 > half.length;
  const candidates = [...voters, ...outgoing].map(of).sort((a, b) => b - a);
  if (candidates.length === 0) return Number.POSITIVE_INFINITY;
  return candidates.find((value) => reached(voters, value) && reached(outgoing, value)) ?? 0;
}

/** Tries every way in which those that are silent may still vote. */
export function naiveVoteResult(
  { voters, outgoing }: Halves,
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const silent = [...new Set([...voters, ...outgoing])].filter((voter) => !votes.has(voter));
  const wins = (granted: (voter: NodeId) => boolean): boolean =>
    [voters, outgoing].every(
      (half) => half.length === 0 || half.filter(granted).length * 2 > half.length,
    );
  let won = 0;
  for (let ending = 0; ending < 2 ** silent.length; ending += 1)
    if (wins((voter) => votes.get(voter) ?? (ending >> silent.indexOf(voter)) % 2 === 1)) won += 1;
  if (won === 2 ** silent.length) return "won";
  return won === 0 ? "lost" : "pending";
}

const nodes = ({ options }: Directive, name: string): readonly NodeId[] =>
  (options.get(name) ?? []).map(NodeId);

/** `commit voters=(a,b) outgoing=(b,c) at=(a:3,b:7)` */
function commit(directive: Directive): readonly string[] {
  const voters = nodes(directive, "voters");
  const outgoing = nodes(directive, "outgoing");
  const at = new Map(
    (directive.options.get("at") ?? []).map((pair) => {
      const [id = "", value] = pair.split(":");
      return [NodeId(id), Number(value)] as const;
    }),
  );
  const of = (voter: NodeId): number => at.get(voter) ?? 0;
  const result = quorumValue(withHalves({ voters, outgoing }), of);
  assert(result === naiveQuorumValue({ voters, outgoing }, of), "the plain algorithm agrees");
  for (const variant of variants({ voters, outgoing }))
    assert(result === quorumValue(variant, of), "the same halves in other words agree");
  const everybody = [...new Set([...voters, ...outgoing])].sort();
  const width = everybody.length;
  const chart = everybody.map((id) => {
    const bar = "#".repeat(everybody.filter((other) => of(other) < of(id)).length);
    const halves = `${voters.includes(id) ? "in" : "  "} ${outgoing.includes(id) ? "out" : "   "}`;
    const shownHalves = outgoing.length > 0 ? `${halves} ` : "";
    return `${id} ${shownHalves}|${bar.padEnd(width)}| ${at.get(id) ?? "unknown"}`;
  });
  return [...chart, `commit ${result === Number.POSITIVE_INFINITY ? "unbounded" : result}`];
}

/** `vote voters=(a,b) outgoing=(b,c) yes=(a) no=(c)` */
function vote(directive: Directive): readonly string[] {
  const halves = { voters: nodes(directive, "voters"), outgoing: nodes(directive, "outgoing") };
  const votes = new Map([
    ...nodes(directive, "yes").map((id) => [id, true] as const),
    ...nodes(directive, "no").map((id) => [id, false] as const),
  ]);
  const result = voteResult(withHalves(halves), votes);
  assert(result === naiveVoteResult(halves, votes), "the plain algorithm agrees");
  for (const variant of variants(halves))
    assert(result === voteResult(variant, votes), "the same halves in other words agree");
  return [result];
}

/** C1 and C2, after each change. */
export function assertSound({ voters, outgoing, learners, learnersNext }: Configuration): void {
  assert(voters.length > 0, "C1");
  for (const id of learners) assert(!voters.includes(id) && !outgoing.includes(id), "C2: learner");
  for (const id of learnersNext)
    assert(outgoing.includes(id) && !voters.includes(id) && !learners.includes(id), "C2: later");
}

/** Plays changes on one configuration, which is empty at first; what is refused leaves it as it is. */
export function playAlgebra(): Play {
  let configuration = empty;
  const became = (changed: Changed): readonly string[] => {
    if (changed.kind === "refused") return [`refused: ${changed.why}`];
    configuration = changed.configuration;
    assertSound(configuration);
    return [renderConfiguration(configuration)];
  };
  return (directive) => {
    const { name, words } = directive;
    const changes = () => parseChanges(words.filter((word) => word !== "auto"));
    if (name === "commit") return commit(directive);
    if (name === "vote") return vote(directive);
    if (name === "simple") return became(simpleChange(configuration, changes()));
    if (name === "enter-joint")
      return became(enterJoint(configuration, changes(), words.includes("auto")));
    if (name === "leave-joint") return became(leaveJoint(configuration));
    throw new Error("no such directive");
  };
}
