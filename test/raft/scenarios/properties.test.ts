/** The algebra of configurations and of quorums on random inputs: two ways to one result. */
import test from "ava";
import fc from "fast-check";
import { assert, NodeId } from "../../../src/lib/types.ts";
import {
  type Changed,
  decodeConfiguration,
  encodeConfiguration,
  type ConfigurationChange,
  enterJoint,
  isJoint,
  leaveJoint,
  simpleChange,
  simpleConfiguration,
} from "../../../src/raft/configuration.ts";
import { pack } from "../../../src/lib/msgpack.ts";
import { isVoter, members, quorumValue, voteResult } from "../../../src/raft/quorum.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { decodesOrIsMalformed } from "../../lib/damage.ts";
import { runs } from "../../lib/property.ts";
import { isQuorum, quorumsOverlap } from "../simulation/quorums.ts";
import { assertSound, naiveQuorumValue, naiveVoteResult } from "./algebra.ts";

const numRuns = runs(1_000);

// n1 is never touched, so that there is always a voter (C1).
const node = fc.integer({ min: 2, max: 7 }).map((n) => NodeId(`n${n}`));
const change = fc.record({
  kind: fc.constantFrom("addVoter", "addLearner", "remove"),
  node,
}) as fc.Arbitrary<ConfigurationChange>;
const changes = fc.array(change, { maxLength: 9 });

function must(changed: Changed): Configuration {
  assert(changed.kind === "changed", "no reason to refuse");
  return changed.configuration;
}

const oneByOne = (from: Configuration, list: readonly ConfigurationChange[]): Configuration =>
  list.reduce((configuration, each) => must(simpleChange(configuration, [each])), from);

test("changes one by one lead where the same changes through a joint configuration lead", (t) => {
  fc.assert(
    fc.property(changes, changes, fc.boolean(), (before, list, autoLeave) => {
      const from = oneByOne(simpleConfiguration([NodeId("n1")]), before);
      t.deepEqual(leaveJoint(must(enterJoint(from, list, autoLeave))), {
        kind: "changed",
        configuration: oneByOne(from, list),
      });
    }),
    { numRuns },
  );
});

const ids = fc.uniqueArray(
  fc.integer({ min: 1, max: 9 }).map((n) => NodeId(`n${n}`)),
  { maxLength: 7 },
);

test("the commit index of a quorum is what trying every index finds", (t) => {
  fc.assert(
    fc.property(ids, ids, fc.array(fc.nat(20), { minLength: 10 }), (voters, outgoing, values) => {
      const of = (voter: NodeId): number => values[Number(voter.slice(1))] ?? 0;
      const configuration = { ...simpleConfiguration(voters), outgoing };
      t.is(quorumValue(configuration, of), naiveQuorumValue(configuration, of));
    }),
    { numRuns },
  );
});

test("an election is decided when no vote still to come can change it", (t) => {
  fc.assert(
    fc.property(
      ids,
      ids,
      fc.dictionary(fc.constantFrom("n1", "n2", "n3", "n4", "n5"), fc.boolean()),
      (voters, outgoing, given) => {
        const votes = new Map(Object.entries(given).map(([id, yes]) => [NodeId(id), yes]));
        const configuration = { ...simpleConfiguration(voters), outgoing };
        t.is(voteResult(configuration, votes), naiveVoteResult(configuration, votes));
      },
    ),
    { numRuns },
  );
});

/** Moves of the algebra: a simple change, into a joint configuration, out of it. */
const moves = fc.array(
  fc.record({
    how: fc.constantFrom("simple", "enter", "leave"),
    list: fc.array(
      fc.record({
        kind: fc.constantFrom("addVoter", "addLearner", "remove"),
        node: fc.integer({ min: 1, max: 5 }).map((n) => NodeId(`n${n}`)),
      }) as fc.Arbitrary<ConfigurationChange>,
      { maxLength: 4 },
    ),
  }),
  { maxLength: 10 },
);

test("whatever is asked, a configuration keeps C1 and C2, and the one before has no quorum apart from it (C3)", (t) => {
  const seen = { changed: 0, refused: 0, joint: 0 };
  fc.assert(
    fc.property(moves, (list) => {
      let configuration = simpleConfiguration([NodeId("n1"), NodeId("n2")], [NodeId("n3")]);
      for (const move of list) {
        const next =
          move.how === "simple"
            ? simpleChange(configuration, move.list)
            : move.how === "enter"
              ? enterJoint(configuration, move.list, true)
              : leaveJoint(configuration);
        seen[next.kind] += 1;
        if (next.kind === "refused") continue;
        assertSound(next.configuration);
        t.true(quorumsOverlap(configuration, next.configuration), "C3");
        configuration = next.configuration;
        if (isJoint(configuration)) seen.joint += 1;
        t.deepEqual(decodeConfiguration(encodeConfiguration(configuration)), configuration);
      }
    }),
    { numRuns: numRuns / 2 },
  );
  t.true(Math.min(seen.changed, seen.refused, seen.joint) > 0, JSON.stringify(seen));
});

test("any bytes are a sound configuration, none, or MALFORMED", (t) => {
  const sound = fc
    .tuple(changes, changes, fc.boolean())
    .map(([before, list, autoLeave]) =>
      encodeConfiguration(
        must(enterJoint(oneByOne(simpleConfiguration([NodeId("n1")]), before), list, autoLeave)),
      ),
    );
  let none = 0;
  decodesOrIsMalformed(
    t,
    sound,
    (bytes) => {
      const found = decodeConfiguration(bytes);
      if (found === undefined) none += 1;
      else {
        assertSound(found);
        t.deepEqual(decodeConfiguration(encodeConfiguration(found)), found);
      }
    },
    2_000,
  );
  t.true(none > 0);
});

test("a configuration that is none in some one place is refused for it", (t) => {
  const right = [["a", "b"], ["b", "c"], ["d"], ["c"], true];
  t.truthy(decodeConfiguration(pack(right)));
  const changed = (at: number, value: unknown): unknown[] =>
    right.map((each, i) => (i === at ? value : each));
  const wrong: unknown[] = [
    "configuration",
    right.slice(1),
    changed(0, []),
    changed(0, ["b", "a"]),
    changed(0, ["a", "a"]),
    changed(0, [""]),
    changed(0, [1]),
    changed(0, "ab"),
    changed(1, 7),
    changed(2, {}),
    changed(2, ["b"]),
    changed(2, ["c"]),
    changed(3, undefined),
    changed(3, ["b"]),
    changed(3, ["e"]),
    changed(4, 1),
  ];
  for (const value of wrong)
    t.is(decodeConfiguration(pack(value)), undefined, JSON.stringify(value));
});

test("a set of nodes is a quorum exactly when the index that it alone has reached is committed", (t) => {
  fc.assert(
    fc.property(ids, ids, fc.nat(511), (voters, outgoing, set) => {
      fc.pre(voters.length > 0);
      const configuration = { ...simpleConfiguration(voters), outgoing };
      const has = (node: NodeId): boolean => ((set >> (Number(node.slice(1)) - 1)) & 1) === 1;
      t.is(
        quorumValue(configuration, (node) => (has(node) ? 5 : 0)) === 5,
        isQuorum(configuration, has),
      );
      const votes = new Map(members(configuration).map((node) => [node, has(node)]));
      t.is(voteResult(configuration, votes), isQuorum(configuration, has) ? "won" : "lost");
      for (const node of members(configuration)) t.true(isVoter(configuration, node));
    }),
    { numRuns },
  );
});
