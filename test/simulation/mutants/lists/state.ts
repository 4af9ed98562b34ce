/**
 * Mistakes in the replicated state, its storage and its clients' promises (src/machine, src/node), for the simulator of
 * whole nodes.
 */
import { type Mutant, mutants } from "../mutant.ts";

const machine = mutants({ file: "src/machine/machine.ts", world: "cluster" }, [
  {
    name: "outcome-not-kept",
    bug: "S18: the outcome of a key is not part of the state, and a retry is carried out again (etcd #18424)",
    find: "remember(tx, key, { ...stamp, request, outcome: attempted.outcome });",
    replace: "",
    seenBy: "the clients' history: a request under one key has one effect",
  },
  {
    name: "log-time-goes-back",
    bug: "M4: a new leader's clock is behind, and log time follows it",
    find: "command.at > logTime ? command.at : logTime",
    replace: "command.at",
    seenBy: "M4 at each apply",
  },
  {
    name: "keys-of-the-old-state",
    bug: "S19: what recognises retries differs after a snapshot (M3, K2)",
    find: "this.#keys = new KeyOrder();",
    replace: "",
    seenBy: "state hashes at equal index, with more keys than are kept",
  },
  {
    name: "refused-command-leaves-rows",
    bug: "M2: a list of files of which one is refused leaves the others half committed",
    find: 'if (outcome.kind === "refused") tx.rollback();',
    replace: "",
    seenBy: "M2 at each apply; C1 and C2 on the rows",
  },
]);

const keys = mutants({ file: "src/machine/keys.ts", world: "cluster" }, [
  {
    name: "forgotten-key-is-new",
    bug: "S19: keys are forgotten without a floor, and a late retry is carried out again (K1)",
    find: "if (floor !== before) meta.table.put(rows, meta.keyFloor, floor);",
    replace: "",
    seenBy: "the clients' history: a request under one key has one effect",
  },
  {
    name: "key-without-its-request",
    bug: "S18: another request under a used key is given the first one's answer",
    find: 'known.request === request ? known.outcome : refuse("KEY_REUSED", { key })',
    replace: "known.outcome",
    seenBy: "the clients' history: an answer names what was asked for",
  },
  {
    name: "busy-for-ever",
    bug: "a refusal for the moment is the answer to every retry",
    find: 'return outcome.kind === "refused" && undecided.has(outcome.code);',
    replace: 'return outcome.kind !== "refused" && outcome.kind !== "ok";',
    seenBy: "a client that repeats its put in calm succeeds",
  },
]);

const clients: readonly Mutant[] = [
  {
    name: "retry-under-a-fresh-key",
    bug: "S18: a forwarded command that is repeated has another key each time",
    file: "src/node/coordination.ts",
    find: "at: LogTime(0), key: options.key, operation",
    replace:
      "at: LogTime(0), key: options.key === undefined ? undefined : this.mintKey(), operation",
    world: "cluster",
    seenBy: "the clients' history: a request under one key has one effect",
  },
  {
    name: "read-of-what-is-here",
    bug: "S9: a node that takes itself for the leader reads what it has applied (etcd #7331)",
    file: "src/node/coordination.ts",
    find: "async () => this.#ports.driver.readIndex(),",
    replace: "async () => Promise.resolve(this.#ports.applier.appliedIndex),",
    world: "cluster",
    seenBy: "the clients' history: linearizability of reads",
  },
  {
    name: "answer-of-another-command",
    bug: "S23: a client is given the outcome of the command that took the place of its own",
    file: "src/node/applier.ts",
    find: "if (expectation?.term === entry.term) expectation.resolve(applied.outcome);",
    replace: "expectation?.resolve(applied.outcome);",
    world: "cluster",
    seenBy: "the clients' history: what was acknowledged is in the state",
  },
  {
    name: "nobody-answers-after-a-change",
    bug: "P17: who waits at a leader that is none any more waits for ever (restate #2950)",
    file: "src/node/raft-driver.ts",
    find: 'if (ready.role.kind !== "leader") applier.abandon(ready.role.leader);',
    replace: "",
    world: "cluster",
    seenBy: "every request ends in calm",
  },
  {
    name: "driver-sends-before-durable",
    bug: "S2, S12: the driver lets messages go before the write that they wait for (R5)",
    file: "src/node/raft-driver.ts",
    find: "if (afterWrite <= this.#durableWrite) this.#send(message);",
    replace: "if (afterWrite >= 0) this.#send(message);",
    world: "cluster",
    seenBy: "what was acknowledged is in the state after a power failure",
  },
];

const stores: readonly Mutant[] = [
  {
    name: "writes-not-synced",
    bug: "S12: no write is synced (Jepsen on NATS 2.12.1)",
    file: "src/node/stores/database.ts",
    find: "batch.write({ sync: true })",
    replace: "batch.write({ sync: false })",
    world: "cluster",
    seenBy: "what was acknowledged is in the state after a power failure",
  },
  {
    name: "mark-before-the-log",
    bug: "M1: the mark names an entry before the log has it, and a crash looks like damage",
    file: "src/node/stores/log-store.ts",
    find: "await Promise.all([writeSynced(this.#database, operations), marking]);",
    replace:
      "await this.#writeMark(end, this.#hardState);\n    await Promise.all([writeSynced(this.#database, operations), marking]);",
    world: "cluster",
    seenBy: "no node calls itself damaged after a mere crash",
  },
  {
    name: "truncated-below-the-mark",
    bug: "M2: the log is truncated below its mark, and a crash looks like damage",
    file: "src/node/stores/log-store.ts",
    find: "if ((this.#mark.last?.index ?? 0) > end.index) await this.#writeMark(end, this.#hardState);",
    replace: "",
    world: "cluster",
    seenBy: "no node calls itself damaged after a mere crash",
  },
  {
    name: "lost-tail-not-noticed",
    bug: "S13, S17: a log that ends before its mark is taken for whole (Jepsen on NATS 2.12.1)",
    file: "src/node/stores/log-recovery.ts",
    find: "} else if (mark.index > walk.end.index) {",
    replace: "} else if (mark.index < 0) {",
    world: "cluster",
    seenBy: "Leader Completeness after disks that lose their end",
  },
  {
    name: "applied-in-a-batch-of-its-own",
    bug: "S1: the applied index is written before the rows that it explains (etcd #13766)",
    file: "src/node/stores/state-store.ts",
    find: 'const operations: Operation[] = [{ type: "put", key: appliedKey, value }];',
    replace:
      'await writeSynced(this.#folder.database, [{ type: "put", key: appliedKey, value }]);\n        const operations: Operation[] = [];',
    world: "cluster",
    seenBy: "state hashes at equal index after a crash",
  },
  {
    name: "read-past-the-batch",
    bug: "S3: a row that is being written is read as it was before (M1)",
    file: "src/node/stores/state-store.ts",
    find: "this.#overlay.get(key) ?? this.#inFlight.get(key)",
    replace: "this.#overlay.get(key)",
    world: "cluster",
    seenBy: "state hashes at equal index; C2 on the rows",
  },
  {
    name: "log-cut-past-the-state",
    bug: "the log is compacted beyond what is durable in the state, and a crash loses what lay between",
    file: "src/node/snapshots/compactor.ts",
    find: "    bounds.durableIndex,\n",
    replace: "",
    world: "cluster",
    seenBy: "no node calls itself damaged after a mere crash",
  },
];

const snapshots = mutants({ file: "src/node/snapshots/snapshot-installer.ts", world: "cluster" }, [
  {
    name: "state-pointer-stays",
    bug: "B2: the log begins at a snapshot whose state the next start does not find",
    find: "await writeStatePointer(directory, { folder, installedIndex: position.index }, disk.files);",
    replace: "void writeStatePointer;",
    seenBy: "no node calls itself damaged after a mere crash; state hashes at equal index",
  },
  {
    name: "snapshot-without-keys",
    bug: "S19: a snapshot brings the state without what recognises retries",
    find: "for (const table of hotTables)",
    replace: 'for (const table of [...hotTables].filter((name) => name !== "key"))',
    seenBy: "the clients' history: a request under one key has one effect",
  },
  {
    name: "machine-keeps-its-rows",
    bug: "S8: store and machine do not belong together after a snapshot",
    find: "machine.reload(rows);",
    replace: "void rows;",
    seenBy: "state hashes at equal index",
  },
]);

export const stateMutants: readonly Mutant[] = [
  ...machine,
  ...keys,
  ...clients,
  ...stores,
  ...snapshots,
];
