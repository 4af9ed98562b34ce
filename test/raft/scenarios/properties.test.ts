/** The algebra of configurations and of quorums on random inputs: two ways to one result. */
import test from "ava";
import fc from "fast-check";
import { assert, NodeId } from "../../../src/lib/types.ts";
import {
  type Changed,
  type ConfigurationChange,
  enterJoint,
  leaveJoint,
  simpleChange,
  simpleConfiguration,
} from "../../../src/raft/configuration.ts";
import { quorumValue, voteResult } from "../../../src/raft/quorum.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { runs } from "../../lib/property.ts";
import { naiveQuorumValue, naiveVoteResult } from "./algebra.ts";

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
