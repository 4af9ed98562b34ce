/** Mistakes in copying and committing entries (src/raft: leader, follower, log, quorum, snapshot). */
import { type Mutant, mutants } from "../mutant.ts";

const leader = mutants({ file: "src/raft/leader.ts", world: "group" }, [
  {
    name: "old-term-committed-by-counting",
    bug: "S21: an entry of an earlier term is committed by counting (Figure 8)",
    find: "if (index > state.commitIndex && state.log.term(index) === state.term) {",
    replace: "if (index > state.commitIndex) {",
  },
  {
    name: "own-copy-before-durable",
    bug: "S2: a leader counts its own copy before its disk has it (etcd #14370)",
    find: "counted((progress) => progress.matchIndex, state.log.durableIndex)",
    replace: "counted((progress) => progress.matchIndex, state.log.lastIndex)",
  },
  {
    name: "leader-without-a-vote-counts",
    bug: "S22: a leader that was removed counts itself (RedisLabs/raft #13)",
    find: "const { configuration } = inForce(state);",
    replace:
      "const configuration = { ...inForce(state).configuration, voters: [...new Set([...inForce(state).configuration.voters, state.id])] };",
  },
  {
    name: "damaged-copy-counts",
    bug: "S13: what a damaged node says to hold is counted (R9)",
    find: "progress === undefined || progress.healIndex !== undefined ? 0 : of(progress)",
    replace: "progress === undefined ? 0 : of(progress)",
  },
  {
    name: "healed-up-to-the-commit-index",
    bug: "S13: damage counts as healed up to what a new leader knows to be committed, which is less than is (R9)",
    find: "progress.damaged(state.log.lastIndex)",
    replace: "progress.damaged(state.commitIndex)",
  },
  {
    name: "heartbeat-tells-no-commit",
    bug: "liveness: the commit index is told once; who loses that message never applies the end of the log",
    find: "commit: LogIndex(Math.min(progress.matchIndex, state.commitIndex)),",
    replace: "commit: LogIndex(0),",
  },
  {
    name: "heartbeat-commit-not-capped",
    bug: "R4: a heartbeat commits entries that a peer holds in another version (§5.3)",
    find: "commit: LogIndex(Math.min(progress.matchIndex, state.commitIndex)),",
    replace: "commit: state.commitIndex,",
  },
  {
    name: "inherited-tail-not-counted",
    bug: "P10: the tail of each term is added to the last ones, without bound (etcd-io/raft #11)",
    find: "uncommittedBytes: uncommittedBytes(state, state.log.lastIndex),",
    replace: "uncommittedBytes: 0,",
  },
  {
    name: "quota-never-released",
    bug: "P10: what was committed still counts as not committed, until nothing is taken any more",
    find: "leadership.uncommittedBytes -= uncommittedBytes(state, index);",
    replace: "",
  },
]);

const follower = mutants({ file: "src/raft/follower.ts", world: "group" }, [
  {
    name: "append-acknowledged-before-durable",
    bug: "S2, S12: entries are acknowledged before the disk has them (R5)",
    find: 'sendWhenDurable(state, {\n    kind: "appendReply"',
    replace: 'send(state, {\n    kind: "appendReply"',
  },
  {
    name: "acknowledges-beyond-the-match",
    bug: "R4: a follower acknowledges its own log's end, not what it was sent (§5.3)",
    find: "replyMatched(state, message.from, lastNew);",
    replace: "replyMatched(state, message.from, state.log.lastIndex);",
  },
  {
    name: "commits-beyond-the-match",
    bug: "§5.3: a follower commits leaderCommit, past the last new entry (Figure 2)",
    find: "Math.min(message.leaderCommit, lastNew)",
    replace: "Math.min(message.leaderCommit, state.log.lastIndex)",
  },
  {
    name: "late-append-truncates",
    bug: "§5.3: an append that comes late takes back entries that agree with it and were acknowledged",
    find: "entry.index > log.base.index && log.term(entry.index) !== entry.term",
    replace: "entry.index > state.commitIndex",
  },
  {
    name: "no-consistency-check",
    bug: "§5.3: entries are taken whatever stands before them",
    find: "log.term(message.prevIndex) !== message.prevTerm",
    replace: "message.prevIndex > log.lastIndex",
  },
  {
    name: "taken-back-configuration-stays",
    bug: "S8: a configuration stays in force though its entry was truncated (R12)",
    find: "configurationsTruncated(state, from.index);",
    replace: "",
  },
  {
    name: "healed-before-durable",
    bug: "S13: a damaged node takes part again before its disk has what it lost (R9)",
    find: "Math.min(state.log.durableIndex, state.matchedLeader)",
    replace: "state.matchedLeader",
  },
]);

const log = mutants({ file: "src/raft/log.ts", world: "group" }, [
  {
    name: "truncated-still-durable",
    bug: "S23: what was written before a truncation vouches for what took its place (etcd-io/raft, ABA, L2)",
    find: "if (this.#durableIndex > kept) this.#durableIndex = kept;",
    replace: "",
  },
]);

const quorum = mutants({ file: "src/raft/quorum.ts", world: "group" }, [
  {
    name: "half-commits",
    bug: "S6: half of the voters are taken for a majority (openraft #1802: committed without a quorum)",
    find: "values[Math.floor(values.length / 2)]",
    replace: "values[Math.floor((values.length - 1) / 2)]",
  },
  {
    name: "progress-out-of-order",
    bug: "S6: the progress array is not in the order of its numbers (openraft #1802)",
    find: ".sort((a, b) => b - a)",
    replace: ".map(String).sort().reverse().map(Number)",
  },
  {
    name: "joint-counted-as-one",
    bug: "C3: a joint configuration is counted as one majority of both halves together (§6)",
    find: "majorityValue(configuration.voters, of),\n    majorityValue(configuration.outgoing, of),",
    replace:
      "majorityValue([...new Set([...configuration.voters, ...configuration.outgoing])], of),",
  },
  {
    name: "joint-elects-by-one-half",
    bug: "C3: the outgoing half is not asked in an election (§6)",
    find: "majorityVote(configuration.outgoing, votes),",
    replace: "",
  },
  {
    name: "learners-count",
    bug: "C2: a learner's copy is counted for a commit (dissertation §4.2.1)",
    find: "majorityValue(configuration.voters, of),",
    replace: "majorityValue([...configuration.voters, ...configuration.learners], of),",
  },
  {
    name: "outgoing-voter-not-asked",
    bug: "P8: who votes in the outgoing half only is not asked and does not stand (scylladb #10618)",
    find: " || configuration.outgoing.includes(node)",
    replace: "",
  },
]);

const driver: readonly Mutant[] = [
  {
    name: "applied-before-durable",
    bug: "R6: an entry is applied that this node's disk does not have",
    file: "src/raft/core.ts",
    find: "applyTo: LogIndex(Math.min(state.commitIndex, log.durableIndex)),",
    replace: "applyTo: state.commitIndex,",
    world: "group",
  },
  {
    name: "unbounded-tail",
    bug: "P10: a leader that commits nothing takes proposals for ever (etcd #10167, cockroach #60612)",
    file: "src/raft/core.ts",
    find: "if (state.role.uncommittedBytes >= state.limits.uncommittedBytes)",
    replace: "if (state.role.uncommittedBytes < 0)",
    world: "group",
  },
];

export const replicationMutants: readonly Mutant[] = [
  ...leader,
  ...follower,
  ...log,
  ...quorum,
  ...driver,
];
