/** Idempotency keys and log time. K1 and K2 are numbered in src/machine/keys.ts, M1 to M4 in machine.ts. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import { LogTime } from "../../src/lib/types.ts";
import type { Operation } from "../../src/machine/commands.ts";
import { Machine } from "../../src/machine/machine.ts";
import { Replica, chunk, cluster, submission, upload } from "./fixtures.ts";

const keyAt = (stamp: number, n = 0): string => `${stamp}-${n.toString(16).padStart(16, "0")}`;
const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const remove: Operation = { kind: "remove-file", path: "nowhere" };

test("a repeated key gets the first outcome and nothing happens again (K1)", (t) => {
  const replica = cluster();
  const first = replica.apply(submission(), keyAt(replica.at));
  const again = replica.apply(submission(), keyAt(replica.at - 1));
  t.deepEqual(again.outcome, first.outcome);
  t.deepEqual(
    again.mutations.map((m) => m.key),
    ["meta/logTime"],
  );
  t.is(replica.machine.jobs.size, 1);
});

test("a refusal is an outcome too, and stays one", (t) => {
  const replica = new Replica();
  t.is(
    codeOf(replica.apply({ ...remove, path: "models/tiny.onnx" } as Operation, keyAt(1)).outcome),
    "NOT_FOUND",
  );
  const later = cluster();
  const key = keyAt(later.at);
  t.is(codeOf(later.apply({ kind: "remove-file", path: "x" }, key).outcome), "NOT_FOUND");
  later.must(upload("x", [chunk(7, [1, 2, 3])]));
  t.is(codeOf(later.apply({ kind: "remove-file", path: "x" }, key).outcome), "NOT_FOUND");
});

test("a refusal for the moment decides nothing: the same key is carried out when there are enough copies", (t) => {
  const replica = cluster();
  const key = keyAt(replica.at);
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1, 2])]), key).outcome), "TOO_FEW_COPIES");
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1, 2, 3])]), key).outcome), "ok");
  t.is(codeOf(replica.apply(upload("x", [chunk(8, [1, 2, 3])]), key).outcome), "KEY_REUSED");
});

test("the same key with another request is refused, and forgets nothing", (t) => {
  const replica = cluster();
  const key = keyAt(replica.at);
  const { outcome } = replica.apply(submission(), key);
  t.is(codeOf(replica.apply(submission({ batchSize: 5 }), key).outcome), "KEY_REUSED");
  t.deepEqual(replica.apply(submission(), key).outcome, outcome);
});

test("a request is the same one when only what the cluster found out for it differs", (t) => {
  const replica = cluster();
  const key = keyAt(replica.at);
  const first = replica.apply(upload("x", [chunk(7, [1, 2, 3], 5)]), key);
  const again = replica.apply(upload("x", [chunk(7, [3, 2, 1], 6)]), key);
  t.deepEqual(again.outcome, first.outcome);
  t.is(codeOf(replica.apply(upload("x", [chunk(8, [1, 2, 3], 5)]), key).outcome), "KEY_REUSED");
  const job = keyAt(replica.at);
  const submitted = replica.apply(submission(), job);
  t.is(submitted.outcome.kind, "ok");
  t.deepEqual(replica.apply(submission({ catalogIndex: 9 }), job).outcome, submitted.outcome);
});

test("keys are forgotten after 15 minutes; then they are expired, not carried out again (K1)", (t) => {
  const replica = cluster();
  const key = keyAt(replica.at);
  replica.apply(submission(), key);
  const used = replica.at;
  replica.at = used + 15 * 60_000 - 1;
  t.is(codeOf(replica.apply(submission(), key).outcome), "ok");
  replica.apply(remove);
  t.is(replica.row(`key/${key}`), undefined);
  t.is(replica.machine.keyFloor, LogTime(used - 1));
  t.is(codeOf(replica.apply(submission(), key).outcome), "KEY_EXPIRED");
  t.is(replica.machine.jobs.size, 1);
  t.is(codeOf(replica.apply(submission(), keyAt(used)).outcome), "ok");
});

test("at most 100,000 keys are kept; the first used are forgotten, also after a restart (K2)", (t) => {
  const rows = new Map<string, unknown>();
  const cold = { get: (key: string) => rows.get(key) };
  let machine = new Machine({ cold });
  const use = (n: number) => {
    const at = LogTime(1_000_000 + n);
    const given = { v: 1, at, key: keyAt(at, n % 7), operation: remove } as const;
    for (const { key, value } of machine.apply(given, n).mutations)
      if (value === undefined) rows.delete(key);
      else rows.set(key, value);
  };
  for (let n = 1; n <= 100_000; n += 1) use(n);
  machine = new Machine({ cold });
  // Backwards: the order of loading must not matter.
  for (const [key, row] of [...rows].toReversed()) machine.loadRow(key, row);
  for (let n = 100_001; n <= 100_003; n += 1) use(n);
  t.is(rows.size, 100_000 + 2);
  t.false(rows.has(`key/${keyAt(1_000_003, 3)}`));
  t.true(rows.has(`key/${keyAt(1_000_004, 4)}`));
  t.is(machine.keyFloor, LogTime(1_000_003));
});

test("what is no key, or comes from the far future, is refused before anything happens", (t) => {
  const replica = cluster();
  for (const key of ["", "key", "12-xyz", keyAt(replica.at + 60_100)]) {
    t.is(codeOf(replica.apply(submission(), key).outcome), "INVALID", key);
    t.is(replica.row(`key/${key}`), undefined);
  }
  t.is(replica.machine.jobs.size, 0);
});

test("log time never goes back (M4)", (t) => {
  const replica = new Replica();
  const applyAt = (at: number) =>
    replica.applyCommand({ v: 1, at: LogTime(at), key: undefined, operation: remove });
  applyAt(50);
  applyAt(20);
  t.is(replica.machine.logTime, LogTime(50));
  applyAt(NaN);
  t.is(replica.machine.logTime, LogTime(50));
  t.is(replica.restarted().machine.logTime, LogTime(50));
});

test("a command that this version does not know, or that is none, is refused and changes nothing", (t) => {
  const replica = cluster();
  const bad = [{ kind: "later" }, {}, { kind: "work" }, { kind: "commit-files", files: [{}] }];
  for (const operation of bad as Operation[])
    for (const key of [undefined, keyAt(replica.at)]) {
      const { outcome, mutations } = replica.apply(operation, key);
      t.is(outcome.kind, "refused", JSON.stringify(operation));
      t.true(mutations.every((m) => m.key.startsWith("meta/") || m.key.startsWith("key/")));
    }
  const next = { v: 2, at: LogTime(0), key: undefined, operation: remove };
  t.is(replica.applyCommand(next as never).outcome.kind, "refused");
});

test("a fault of ours is an outcome alike everywhere, recorded under its key, and leaves no trace (M2)", (t) => {
  const replica = cluster();
  const key = keyAt(replica.at);
  const broken = { ...submission(), name: undefined } as unknown as Operation;
  const { outcome, mutations, failure } = replica.apply(broken, key);
  t.deepEqual(outcome, {
    kind: "refused",
    code: "INTERNAL",
    details: { message: "a command of kind submit-job could not be applied" },
  });
  t.true(failure instanceof TypeError);
  t.deepEqual(
    mutations.map((m) => m.key),
    [`key/${key}`, "meta/logTime"],
  );
  t.deepEqual(replica.apply(broken, key).outcome, outcome);
});

test("a disk that fails is no outcome: apply throws what it threw, and nothing is applied", (t) => {
  const failure = new Error("EIO");
  const machine = new Machine({
    cold: {
      get: () => {
        throw failure;
      },
    },
  });
  const given = { v: 1, at: LogTime(5), key: keyAt(1), operation: remove } as const;
  t.is(
    t.throws(() => machine.apply(given, 1)),
    failure,
  );
  t.is(machine.logTime, LogTime(0));
});
