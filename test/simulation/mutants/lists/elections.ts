/** Mistakes in voting and in keeping the lead (src/raft: election, dispatch, state, quorum, handover). */
import { type Mutant, mutants } from "../mutant.ts";

const votes = mutants({ file: "src/raft/election.ts", world: "group" }, [
  {
    name: "vote-not-persisted",
    bug: "S12: a vote is given and never written (Figure 2, persistent state)",
    find: "state.vote = message.from;\n      state.dirty.hardState = true;",
    replace: "state.vote = message.from;",
  },
  {
    name: "vote-sent-before-durable",
    bug: "S2: a vote leaves before it is on the disk (R5)",
    find: 'sendWhenDurable(state, {\n    kind: "voteReply"',
    replace: 'send(state, {\n    kind: "voteReply"',
  },
  {
    name: "own-vote-before-durable",
    bug: "S24: a candidate counts its own vote before its disk has it (R2)",
    find: 'role = { kind: "candidate", votes: new Map()',
    replace: 'role = { kind: "candidate", votes: new Map([[state.id, true]])',
  },
  {
    name: "second-vote-in-a-term",
    bug: "S4: votes again in a term in which it has voted (R1)",
    find: "(state.vote === undefined || state.vote === message.from) &&",
    replace: "",
  },
  {
    name: "damaged-node-votes",
    bug: "S13: a node whose log lost its end votes all the same (Jepsen on NATS 2.12.1, R9)",
    find: "state.role.leader === undefined &&\n    state.damage === undefined &&",
    replace: "state.role.leader === undefined &&",
  },
  {
    name: "unaware-voter-refuses",
    bug: "P6: a voter that does not know it yet refuses to vote (etcd #10998)",
    find: "(state.vote === undefined || state.vote === message.from) &&",
    replace:
      "(state.vote === undefined || state.vote === message.from) && isVoter(inForce(state).configuration, state.id) &&",
  },
  {
    name: "pre-vote-raises-the-term",
    bug: "P1: granting a pre-vote enters the term that was only asked about (dissertation §9.6)",
    find: "// A grant repeats the term asked for",
    replace: "if (granted) becomeFollower(state, message.term, undefined);\n  //",
  },
  {
    name: "no-pre-vote",
    bug: "P5: who comes back stands for election at once (logcabin #56, hashicorp #524, camunda #58555)",
    world: "standing",
    find: 'state.role = { kind: "preCandidate", votes };',
    replace: "startElection(state);\n  if (votes.size > 0) return;",
  },
  {
    name: "pre-vote-beside-a-leader",
    bug: "P1: a voter that hears its leader grants pre-votes (Cloudflare 2020, R8)",
    world: "standing",
    find: "!hearsLeader(state) &&\n    state.log",
    replace: "state.log",
  },
  {
    name: "pre-vote-tells-no-term",
    bug: "P3: a refused pre-vote tells nobody of the newer term (etcd #8243, openraft #1796)",
    world: "standing",
    find: "if (!message.granted && message.term > state.term) {",
    replace: "if (message.term < 0) {",
  },
  {
    name: "hint-breaks-a-lease",
    bug: "S11: a dead process's lease is forgotten, though it may only seem dead (R10)",
    find: "if (state.timings.leaseReads) return;",
    replace: "",
  },
]);

const roles = mutants({ file: "src/raft/state.ts", world: "group" }, [
  {
    name: "vote-cleared-on-step-down",
    bug: "S4: a vote is forgotten within its term (redpanda #19, NATS #7698, CCF #8094)",
    find: "if (term > state.term) {",
    replace: "if (term >= state.term) {",
  },
  {
    name: "term-not-persisted",
    bug: "S12: a newer term is followed and never written (Figure 2, persistent state)",
    find: "state.vote = undefined;\n    state.dirty.hardState = true;",
    replace: "state.vote = undefined;",
  },
  {
    name: "leader-in-a-later-term",
    bug: "S5: a leader leads on in a term that it adopted (NATS #7297)",
    find: 'state.role = { kind: "follower", leader };',
    replace: 'if (state.role.kind !== "leader") state.role = { kind: "follower", leader };',
  },
  {
    name: "dead-leader-protected",
    bug: "P2: the dead leader is protected for ever (etcd #8334, #9586, raft-rs #84)",
    find: "state.now - state.leaderContact < state.timings.electionMinMs",
    replace: "state.leaderContact > Number.NEGATIVE_INFINITY",
  },
  {
    name: "damage-ignored",
    bug: "S13: a node whose log lost its end takes part as if nothing had happened (Jepsen on NATS 2.12.1)",
    find: "damage: options.damaged ? { healIndex: undefined, byTerm: undefined } : undefined,",
    replace: "damage: undefined,",
  },
  {
    name: "restart-forgets-the-lease",
    bug: "S11: a voter that restarts forgets whom it promised not to vote (R10)",
    find: "leaderContact: timings.leaseReads ? now : Number.NEGATIVE_INFINITY",
    replace: "leaderContact: Number.NEGATIVE_INFINITY",
  },
  {
    name: "last-term-not-lived-through",
    bug: "S8: a snapshot's term reached the disk, the hard state's did not, and it is begun again (R2)",
    find: "return lastTerm > hardState.term ?",
    replace: "return lastTerm < 0 ?",
    // It takes a crash in the one write that has a term and a snapshot of it.
    seeds: 3_000,
  },
  {
    name: "removed-voter-may-not-stand",
    bug: "P7: whom an uncommitted change removes does not stand, though it alone may win (dissertation §4.2.2)",
    find: "return index > commitIndex && before !== undefined && isVoter(before, id);",
    replace: "return false && before !== undefined;",
    // The removed voter must be the only one whose log can win, with its own removal at the end of it.
    seeds: 3_000,
  },
  {
    name: "reads-dropped-with-the-lead",
    bug: "P17: reads that nobody ever answers (restate #2950)",
    find: 'if (state.role.kind === "leader") failReads(state, state.role);',
    replace: "",
  },
]);

const others: readonly Mutant[] = [
  {
    name: "shorter-log-wins",
    bug: "§5.4.1: logs are compared by their last term alone",
    file: "src/raft/log.ts",
    find: "return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);",
    replace: "return term >= this.lastTerm;",
    world: "group",
  },
  {
    name: "longest-log-wins",
    bug: "§5.4.1: logs are compared by their length alone",
    file: "src/raft/log.ts",
    find: "return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);",
    replace: "return index >= this.lastIndex;",
    world: "group",
  },
  {
    name: "half-elects",
    bug: "R2: half of the voters are taken for a majority",
    file: "src/raft/quorum.ts",
    find: "Math.floor(voters.length / 2) + 1",
    replace: "Math.ceil(voters.length / 2)",
    world: "group",
  },
  {
    name: "vote-beside-a-leader",
    bug: "S11: a voter that hears its leader follows a candidate (dissertation §4.2.3, R8, R10)",
    file: "src/raft/dispatch.ts",
    find: 'if (message.kind === "vote" && hearsLeader(state) && !message.handover) return false;',
    replace: "",
    world: "group",
  },
  {
    name: "old-leader-not-told",
    bug: "P3: who speaks in an old term is never told of the newer one (etcd #8501)",
    file: "src/raft/dispatch.ts",
    find: "if (isFromLeader(message)) {",
    replace: 'if (message.kind === "timeoutNow") {',
    world: "group",
  },
  {
    name: "anybody-takes-a-handover",
    bug: "R9: who has no vote, or a damaged log, stands when it is asked to (dissertation §3.10)",
    file: "src/raft/dispatch.ts",
    find: 'if (role.kind === "follower" && isPromotable(state)) startElection(state, true);',
    replace: 'if (role.kind === "follower") startElection(state, true);',
    world: "group",
  },
  {
    name: "no-quorum-check",
    bug: "P4: a leader without a quorum keeps a bridge from voting (openraft #2080)",
    file: "src/raft/leader.ts",
    find: "if (alive < 1) becomeFollower(state, state.term, undefined);",
    replace: "if (alive < 0) becomeFollower(state, state.term, undefined);",
    world: "standing",
  },
  {
    name: "handover-never-ends",
    bug: "P13: a handover to somebody out of reach is never given up (hashicorp 1.2.0)",
    file: "src/raft/handover.ts",
    find: "due: state.now + state.timings.electionMinMs, isAsked",
    replace: "due: Number.POSITIVE_INFINITY, isAsked",
    world: "group",
  },
  {
    name: "heir-lags",
    bug: "P13: the leadership goes to a voter that lacks entries (hashicorp 1.6.1; dissertation §3.10)",
    file: "src/raft/handover.ts",
    find: "progress === undefined || progress.matchIndex < state.log.lastIndex",
    replace: "progress === undefined",
    world: "group",
  },
  {
    name: "lease-survives-handover",
    bug: "S11: a lease goes on after the leadership was offered (etcd #6005)",
    file: "src/raft/handover.ts",
    find: "leadership.leaseIsVoid = true;",
    replace: "",
    world: "group",
  },
];

export const electionMutants: readonly Mutant[] = [...votes, ...roles, ...others];
