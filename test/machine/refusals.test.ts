/** Commands about what is not there, and lists that are full: refused with a reason, and nothing changes. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import { FileVersion, JobId, StoreId } from "../../src/lib/types.ts";
import type { Operation } from "../../src/machine/commands.ts";
import { membersLimit } from "../../src/machine/members.ts";
import {
  Replica,
  assign,
  chunk,
  cluster,
  completion,
  hashOf,
  manifest,
  nodeName,
  outputs,
  register,
  submit,
  upload,
  work,
} from "./fixtures.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");

test("a job, member or store that is not there is NOT_FOUND", (t) => {
  const replica = cluster(1);
  const job = JobId("j999");
  const store = StoreId("none");
  const absent: readonly Operation[] = [
    { kind: "set-job", job, batchSize: 1, weight: undefined },
    { kind: "steer-job", job, to: "paused" },
    { kind: "prune-results", job },
    { kind: "finish-job", job, results: { path: "r", bytes: 0, chunks: [], ifVersion: undefined } },
    { kind: "mark-member", node: nodeName(9), boot: "boot9", state: "down" },
    { kind: "remove-member", node: nodeName(9) },
    { kind: "place-chunks", store, chunks: [{ hash: hashOf(1), index: 0 }] },
    { kind: "lose-chunks", store, chunks: [hashOf(1)] },
    { kind: "remove-file", path: "none" },
    { kind: "add-model", manifest, file: { path: "none", version: FileVersion(1) } },
  ];
  for (const operation of absent) {
    const { outcome, mutations } = replica.apply(operation);
    t.is(codeOf(outcome), "NOT_FOUND", operation.kind);
    t.deepEqual(
      mutations.map(({ key }) => key),
      ["meta/logTime"],
    );
  }
});

test("work for a job that is not there, or on a query that is not open, is passed over", (t) => {
  const replica = cluster(1);
  const id = submit(replica);
  const none = JobId("j999");
  const { outcome } = replica.must(
    work(
      [completion(none, 0, outputs(4)), completion(id, 7, outputs(4))],
      [assign(none, 1), assign(id, 1, 7)],
    ),
  );
  t.deepEqual(outcome, { kind: "ok", value: { kind: "assigned", assigned: [] } });
});

test("lists of chunks, files, labels and slots have limits", (t) => {
  const replica = cluster(1);
  const store = StoreId("store1");
  const many = Array.from({ length: 501 }, (_, n) => hashOf(n));
  const files = Array.from({ length: 1_001 }, (_, n) => ({
    path: `f${n}`,
    bytes: 0,
    chunks: [],
    ifVersion: undefined,
  }));
  const tooLarge: readonly Operation[] = [
    { kind: "place-chunks", store, chunks: many.map((hash) => ({ hash, index: 0 })) },
    { kind: "lose-chunks", store, chunks: many },
    { kind: "commit-files", files },
    upload(
      "large",
      Array.from({ length: 16_385 }, () => chunk(1, [1])),
    ),
    register(2, { slots: 1_025 }),
    register(2, { labels: Array.from({ length: 65 }, (_, n) => [`k${n}`, "v"] as const) }),
  ];
  for (const operation of tooLarge)
    t.is(codeOf(replica.apply(operation).outcome), "TOO_LARGE", operation.kind);
  t.is(codeOf(replica.apply({ kind: "commit-files", files: files.slice(1) }).outcome), "ok");
  t.is(codeOf(replica.apply(register(2, { slots: 1_024 })).outcome), "ok");
});

test("a chunk of no bytes, or of more than 4 MiB, is no chunk", (t) => {
  const replica = cluster(1);
  for (const bytes of [0, 4 * 1024 * 1024 + 1])
    t.is(codeOf(replica.apply(upload("f", [chunk(7, [1], 0, bytes)])).outcome), "INVALID");
});

test("members and models are bounded; known ones may come again", (t) => {
  const replica = new Replica();
  for (let n = 1; n <= membersLimit; n += 1) replica.must(register(n));
  t.is(codeOf(replica.apply(register(membersLimit + 1)).outcome), "BUSY");
  t.is(codeOf(replica.apply(register(5, { boot: "again" })).outcome), "ok");
  const small = cluster(1);
  const file = { path: "models/tiny.onnx", version: FileVersion(1) };
  const add = (n: number): string =>
    codeOf(
      small.apply({ kind: "add-model", manifest: { ...manifest, name: `m${n}` }, file }).outcome,
    );
  for (let n = 1; n < 1_000; n += 1) t.is(add(n), "ok");
  t.is(add(1_000), "TOO_LARGE");
  t.is(add(7), "ok");
});
