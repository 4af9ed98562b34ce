/** Mistakes in reads, membership, snapshots and flow control (src/raft: core, lease, membership, snapshot, progress). */
import { type Mutant, mutants } from "../mutant.ts";

const reads: readonly Mutant[] = [
  {
    name: "read-before-own-commit",
    bug: "S9: a new leader answers reads at an index from before its term (etcd #7331)",
    file: "src/raft/core.ts",
    find: "LogIndex(Math.max(state.commitIndex, role.noopIndex))",
    replace: "state.commitIndex",
    world: "group",
  },
  {
    name: "lease-before-own-commit",
    bug: "S9: a new leader serves from its lease before it has committed (etcd #7331)",
    file: "src/raft/core.ts",
    find: "state.commitIndex >= role.noopIndex && holdsLease(state, role)",
    replace: "holdsLease(state, role)",
    world: "group",
  },
  {
    name: "read-without-a-round",
    bug: "R7: a leader answers reads without asking whether it still leads (dissertation §6.4)",
    file: "src/raft/core.ts",
    find: "state.commitIndex >= role.noopIndex && holdsLease(state, role)",
    replace: "state.commitIndex >= role.noopIndex",
    world: "group",
  },
  {
    name: "late-answer-confirms",
    bug: "S10: a late answer to an earlier round confirms a newer read (etcd #20418)",
    file: "src/raft/leader.ts",
    find: "Math.max(progress.ackedRead, message.readPosition)",
    replace: "leadership.reads.position",
    world: "group",
  },
  {
    name: "lease-from-its-answer",
    bug: "S11: a lease counts from when the answer came, not from when it was asked for (yugabyte #16)",
    file: "src/raft/leader.ts",
    find: "Math.max(progress.leaseFrom, Math.min(message.sentAt, state.now))",
    replace: "state.now",
    world: "group",
  },
  {
    name: "lease-ignores-drift",
    bug: "S11: a lease takes all clocks to run alike (tikv #964)",
    file: "src/raft/lease.ts",
    find: "(electionMinMs * 1_000) / (1_000 + leaseDriftPerMille)",
    replace: "electionMinMs",
    world: "group",
  },
];

const members = mutants({ file: "src/raft/membership.ts", world: "group" }, [
  {
    name: "change-before-own-commit",
    bug: "S3: a leader changes members before an entry of its term is committed (raft-dev 2015, openraft #2051)",
    find: "if (state.commitIndex < leadership.noopIndex)\n    return",
    replace: "if (state.commitIndex < 0)\n    return",
  },
  {
    name: "two-changes-at-once",
    bug: "S3: a change is begun before the last one is committed (R12, §6)",
    find: "if (inForce(state).index > state.commitIndex)",
    replace: "if (inForce(state).index < 0)",
  },
  {
    name: "removed-leader-stays",
    bug: "§4.2.2 of the dissertation: a leader that was removed leads on",
    find: "if (leadership.handover !== undefined) return;",
    replace: "if (state.now >= 0) return;",
  },
]);

const configurations: readonly Mutant[] = [
  {
    name: "two-voters-in-one-step",
    bug: "C3: two voters change without a joint configuration (§6)",
    file: "src/raft/configuration.ts",
    find: "if (differing.length > 1)",
    replace: "if (differing.length > 2)",
    world: "group",
  },
  {
    name: "waiting-learners-forgotten",
    bug: "C2: who is to stay as a learner is lost when the joint configuration is left",
    file: "src/raft/configuration.ts",
    find: "for (const node of made.learnersNext) made.learners.add(node);",
    replace: "",
    world: "group",
  },
  {
    name: "learner-still-votes",
    bug: "C2: a voter of the outgoing half becomes a learner at once, and is both (§4.3 of the dissertation)",
    file: "src/raft/configuration.ts",
    find: "if (made.outgoing.has(node)) made.learnersNext.add(node);",
    replace: "if (made.outgoing.size < 0) made.learnersNext.add(node);",
    world: "group",
  },
];

const snapshots = mutants({ file: "src/raft/snapshot.ts", world: "group" }, [
  {
    name: "stale-configuration-after-install",
    bug: "S7: an installed snapshot leaves a newer, uncommitted configuration in force (openraft #1808)",
    find: "state.configurations = [{ index, configuration }];",
    replace:
      "state.configurations = [{ index, configuration }, ...state.configurations.filter((each) => each.index > index)];",
  },
  {
    name: "old-snapshot-installed",
    seeds: 3_000,
    bug: "R11: a snapshot that comes late takes the state back",
    find: 'if (snapshot.index <= state.commitIndex || role.kind === "leader") return;',
    replace: 'if (role.kind === "leader") return;',
  },
  {
    name: "snapshot-drops-the-log",
    bug: "R11: an installed snapshot takes along acknowledged entries that follow it (§7)",
    find: "if (log.term(snapshot.index) === snapshot.term) {",
    replace: "if (snapshot.index < 0) {",
  },
]);

const flow = mutants({ file: "src/raft/progress.ts", world: "group" }, [
  {
    name: "lost-append-never-missed",
    bug: "P11: a window whose messages are lost is never opened again (etcd #14633)",
    find: 'this.state === "replicate" &&\n      this.#inflight.length > 0 &&',
    replace: "this.#inflight.length < 0 &&",
  },
  {
    name: "window-never-released",
    bug: "P11: what was acknowledged stays in flight",
    find: "if (lastIndex > matchIndex) break;",
    replace: "if (lastIndex >= 0) break;",
  },
  {
    name: "lost-probe-never-asked-again",
    bug: "P11: a probe that is lost is waited for for ever (etcd #14633)",
    find: 'if (this.state === "probe") this.probing = false;',
    replace: "",
  },
  {
    name: "snapshot-without-end",
    bug: "P9: who was offered a snapshot is never served from the log again (etcd #10308, openraft #1828)",
    find: 'if (this.state === "snapshot" && this.matchIndex < base) return;',
    replace: 'if (this.state === "snapshot") return;',
  },
  {
    name: "lost-offer-never-repeated",
    bug: "P12: a snapshot is offered once; if that, or its transfer, is lost, nothing follows (openraft #808)",
    find: 'this.offer = this.state === "snapshot";',
    replace: "",
  },
  {
    name: "conflict-without-back-off",
    bug: "P10: a refused append is sent again as it was, for ever",
    find: "Math.max(Math.min(prevIndex, retryAt + 1), this.matchIndex + 1)",
    replace: "Math.max(prevIndex + 1, this.matchIndex + 1)",
  },
  {
    name: "window-ignored",
    bug: "P10: appends are sent beyond the window",
    find: "this.#inflight.length >= this.#limits.inflightMessages ||",
    replace: "",
  },
]);

export const readMutants: readonly Mutant[] = [
  ...reads,
  ...members,
  ...configurations,
  ...snapshots,
  ...flow,
];
