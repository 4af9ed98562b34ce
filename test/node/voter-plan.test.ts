/** Who should vote: V1 to V6 are numbered in voter-plan.ts. */
import test from "ava";
import { NodeId } from "../../src/lib/types.ts";
import {
  demoteAfterMs,
  type PlannedNode,
  planVoters,
  replaceAfterMs,
} from "../../src/node/voter-plan.ts";
import { simpleConfiguration } from "../../src/raft/configuration.ts";

const id = (n: number): NodeId => NodeId(`n${n}`);

const node = (n: number, more: Partial<PlannedNode> = {}): PlannedNode => ({
  node: id(n),
  state: "up",
  leaving: false,
  sinceMs: 1_000_000,
  hasCaughtUp: (more.state ?? "up") === "up",
  ...more,
});

interface Given {
  readonly voters: readonly number[];
  readonly learners?: readonly number[];
  readonly nodes: readonly PlannedNode[];
  readonly wanted?: number;
}

const plan = ({ voters, learners = [], nodes, wanted = 7 }: Given): readonly string[] | undefined =>
  planVoters({
    leader: id(voters[0] ?? 1),
    configuration: simpleConfiguration(voters.map(id), learners.map(id)),
    nodes,
    votersWanted: wanted,
  })?.map(({ kind, node: name }) => `${kind} ${name}`);

const up = (...ns: readonly number[]): PlannedNode[] => ns.map((n) => node(n));

test("a node that registered learns first (V1)", (t) => {
  t.deepEqual(plan({ voters: [1, 2, 3], nodes: up(1, 2, 3, 4) }), ["addLearner n4"]);
});

test("a learner votes when it has caught up and there is room (V2)", (t) => {
  const lagging = [...up(1, 2, 3), node(4, { hasCaughtUp: false })];
  t.is(plan({ voters: [1, 2, 3], learners: [4], nodes: lagging }), undefined);
  t.deepEqual(plan({ voters: [1, 2, 3], learners: [4], nodes: up(1, 2, 3, 4) }), ["addVoter n4"]);
  t.is(plan({ voters: [1, 2, 3], learners: [4], nodes: up(1, 2, 3, 4), wanted: 3 }), undefined);
});

test("a voter that stays away is replaced by a learner that has caught up, and learns (V3)", (t) => {
  const away = (sinceMs: number): PlannedNode => node(3, { state: "down", sinceMs });
  const given = (sinceMs: number): Given => ({
    voters: [1, 2, 3],
    learners: [4],
    nodes: [...up(1, 2, 4), away(sinceMs)],
    wanted: 3,
  });
  t.is(plan(given(replaceAfterMs - 1)), undefined);
  t.deepEqual(plan(given(replaceAfterMs)), ["addVoter n4", "addLearner n3"]);
});

test("without a spare, dead voters are demoted when that survives one loss more, never below three (V4)", (t) => {
  const dead = (n: number): PlannedNode => node(n, { state: "down", sinceMs: demoteAfterMs });
  // Of five with one dead, one more may die; of four none dead, one as well: nothing is won.
  t.is(plan({ voters: [1, 2, 3, 4, 5], nodes: [...up(1, 2, 3, 4), dead(5)] }), undefined);
  t.deepEqual(plan({ voters: [1, 2, 3, 4, 5], nodes: [...up(1, 2, 3), dead(4), dead(5)] }), [
    "addLearner n4",
    "addLearner n5",
  ]);
  t.deepEqual(plan({ voters: [1, 2, 3, 4], nodes: [...up(1, 2, 3), dead(4)] }), ["addLearner n4"]);
  t.is(plan({ voters: [1, 2, 3], nodes: [...up(1, 2), dead(3)] }), undefined);
});

test("who leaves stops voting first, with a successor if there is one (V3), and then goes (V1)", (t) => {
  const leaving = node(2, { leaving: true });
  t.deepEqual(plan({ voters: [1, 2, 3], learners: [4], nodes: [...up(1, 3, 4), leaving] }), [
    "addVoter n4",
    "addLearner n2",
  ]);
  t.deepEqual(plan({ voters: [1, 2, 3], nodes: [...up(1, 3), leaving] }), ["addLearner n2"]);
  const left = node(2, { leaving: true, state: "left" });
  t.deepEqual(plan({ voters: [1, 3], learners: [2], nodes: [...up(1, 3), left] }), ["remove n2"]);
});

test("too many voters become fewer, dead ones first, the leader last (V5)", (t) => {
  const given = { voters: [1, 2, 3, 4, 5], wanted: 3 };
  t.deepEqual(plan({ ...given, nodes: up(1, 2, 3, 4, 5) }), ["addLearner n5"]);
  const dead = node(2, { state: "down", sinceMs: 1 });
  t.deepEqual(plan({ ...given, nodes: [...up(1, 3, 4, 5), dead] }), ["addLearner n2"]);
});

test("no change is proposed that its own voters could not commit (V6)", (t) => {
  const dead = node(3, { state: "down", sinceMs: 1 });
  // n1 and n3 alone: n3 would have to answer.
  t.is(plan({ voters: [1, 2, 3], nodes: [node(1), node(2, { leaving: true }), dead] }), undefined);
});
