/** Arrays that queries give, as a replica applies them: S6 of src/scheduler/work.ts. */
import test from "ava";
import type { UploadedContent } from "../../src/lib/content.ts";
import { FileVersion, type JobId, LogTime } from "../../src/lib/types.ts";
import { decodeCommand, encodeCommand } from "../../src/machine/codec.ts";
import type { PackedOutput } from "../../src/scheduler/types.ts";
import type { ChunkRecord, FileRecord } from "../../src/sdfs/catalog/types.ts";
import {
  arrayManifest,
  assign,
  chunk,
  cluster,
  completion,
  hashOf,
  outputs,
  register,
  type Replica,
  submission,
  submit,
  upload,
  work,
} from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";

/** Three nodes, which all puts must reach, and a model that gives 40 bytes for each input. */
function withModel(outputs = arrayManifest.outputs): Replica {
  const replica = cluster();
  replica.must({
    kind: "add-model",
    manifest: outputs === undefined ? arrayManifest : { ...arrayManifest, outputs },
    file: { path: "models/tiny.onnx", version: FileVersion(1) },
  });
  return replica;
}

function content(n: number, stores: readonly number[] = [1, 2, 3]): UploadedContent {
  return { bytes: 10, chunks: [chunk(n, stores)] };
}

const row: PackedOutput = [];
const rows = (count: number): PackedOutput[] => outputs(count, row);
const fileOf = (replica: Replica, job: JobId, from: number): unknown =>
  replica.row(`file/jobs/${job}/tensors/${String(from).padStart(10, "0")}.npz`);

test("arrays become visible with their query's result, in one command", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1), assign(job, 2)]));
  const result = completion(job, 1, [row, "not_an_array", row, row], {
    node: 2,
    tensors: content(7),
  });
  t.is(fileOf(replica, job, 4), undefined);
  const { mutations } = replica.must(work([result], []));
  t.like(fileOf(replica, job, 4), { versions: [1], bytes: 10 });
  t.true(mutations.some(({ key }) => key === `result/${job}/0000000001`));
  t.like(replica.machine.jobs.get(job), { doneInputs: 4, errorInputs: 1, openQueries: 1 });
  checkInvariants(replica);
});

test("of two results of a query one is seen, and nothing is known of the other's chunks", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1)]));
  replica.must(work([], [assign(job, 2, 0)]));
  const first = completion(job, 0, rows(4), { tensors: content(7) });
  const second = completion(job, 0, rows(4), { attempt: 2, node: 2, tensors: content(8) });
  replica.must(work([second, first], []));
  replica.must(work([first], []));
  t.is((fileOf(replica, job, 0) as FileRecord).last, FileVersion(1));
  t.is((replica.row(`chunk/${hashOf(8)}`) as ChunkRecord).references, 1);
  t.is(replica.row(`chunk/${hashOf(7)}`), undefined);
  t.is(replica.row(`held/store1/${hashOf(7)}`), undefined);
  t.like(replica.machine.jobs.get(job), { doneInputs: 4, doneQueries: 1 });
  checkInvariants(replica);
});

test("equal arrays of two nodes are one file of chunks that both are known to hold", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1), assign(job, 2)]));
  for (const [n, query] of [
    [1, 0],
    [2, 1],
  ] as const)
    replica.must(work([completion(job, query, rows(4), { node: n, tensors: content(7) })], []));
  t.like(replica.row(`chunk/${hashOf(7)}`), { references: 2 });
  checkInvariants(replica);
});

for (const [what, tensors] of [
  ["too few copies", content(7, [1, 2])],
  [
    "a chunk of another length than it has",
    { bytes: 10, chunks: [chunk(7, [1, 2, 3], 0, 1), chunk(1, [1, 2, 3], 0, 9)] },
  ],
  [
    "a chunk twice, of different lengths",
    { bytes: 11, chunks: [chunk(7, [1, 2, 3], 0, 1), chunk(7, [1, 2, 3])] },
  ],
  ["more bytes than its chunks", { ...content(7), bytes: 11 }],
  ["no bytes", { bytes: 0, chunks: [] }],
  ["more bytes than a query may give", { bytes: 2 ** 27, chunks: [chunk(7, [1, 2, 3])] }],
  ["no arrays at all", undefined],
] as readonly (readonly [string, UploadedContent | undefined])[])
  test(`a result with ${what} leaves no trace but that its query is to be run again`, (t) => {
    const replica = withModel();
    const job = submit(replica, { model: "arrays" });
    replica.must(upload("other", [chunk(1, [1, 2, 3])]));
    replica.must(work([], [assign(job, 1), assign(job, 2)]));
    const good = completion(job, 1, rows(4), { node: 2, tensors: content(9) });
    const bad = completion(job, 0, rows(4), tensors === undefined ? {} : { tensors });
    const { mutations } = replica.must(work([bad, good], []));
    t.is(replica.row(`chunk/${hashOf(7)}`), undefined);
    t.false(mutations.some(({ key }) => key.includes(hashOf(7))));
    // Its neighbour in the command has its result.
    t.like(replica.machine.jobs.get(job), { doneQueries: 1, openQueries: 1 });
    t.like([...replica.machine.openQueries(job)][0], { query: 0, attempts: [] });
    checkInvariants(replica);
    replica.must(work([], [assign(job, 3, 0)]));
    const again = completion(job, 0, rows(4), { attempt: 2, node: 3, tensors: content(7) });
    replica.must(work([again], []));
    t.truthy(fileOf(replica, job, 0));
    checkInvariants(replica);
  });

test("a copy that was dropped after it was acknowledged counts for none", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1)]));
  const acknowledged = replica.index;
  replica.must({ kind: "drop-chunks", store: "store2" as never, chunks: [hashOf(7)] });
  const tensors = { bytes: 10, chunks: [chunk(7, [1, 2, 3], acknowledged)] };
  replica.must(work([completion(job, 0, rows(4), { tensors })], []));
  t.is(fileOf(replica, job, 0), undefined);
  const now = { bytes: 10, chunks: [chunk(7, [1, 2, 3], replica.index)] };
  replica.must(work([], [assign(job, 1, 0)]));
  replica.must(work([completion(job, 0, rows(4), { attempt: 2, tensors: now })], []));
  t.truthy(fileOf(replica, job, 0));
  checkInvariants(replica);
});

test("a result without rows has no file, and one of classes neither rows nor a file", (t) => {
  const replica = withModel();
  const broken = outputs(4, "unreadable");
  for (const [model, given, tensors, isTaken] of [
    ["arrays", broken, undefined, true],
    ["arrays", broken, content(7), false],
    ["arrays", outputs(4), content(7), false],
    ["arrays", outputs(4, "of_tomorrow"), undefined, false],
    ["tiny", rows(4), undefined, false],
    ["tiny", outputs(4), content(7), false],
    ["tiny", outputs(4), undefined, true],
  ] as const) {
    const job = submit(replica, { model });
    replica.must(work([], [assign(job, 1)]));
    replica.must(work([completion(job, 0, given, tensors === undefined ? {} : { tensors })], []));
    t.is(replica.machine.jobs.get(job)?.doneQueries, isTaken ? 1 : 0, `${model} ${String(given)}`);
    t.is(fileOf(replica, job, 0), undefined);
  }
  checkInvariants(replica);
});

test("halves of a query have a file each", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays", totalInputs: 4 });
  replica.must(work([], [assign(job, 1)]));
  replica.must(work([{ ...completion(job, 0, []), failed: "killed" }], []));
  replica.must(work([], [assign(job, 1, 1), assign(job, 2, 2)]));
  replica.must(
    work(
      [
        completion(job, 1, rows(2), { tensors: content(7) }),
        completion(job, 2, rows(2), { node: 2, tensors: content(8) }),
      ],
      [],
    ),
  );
  t.truthy(fileOf(replica, job, 0));
  t.truthy(fileOf(replica, job, 2));
  checkInvariants(replica);
});

test("no quota keeps what was worked out from being seen", (t) => {
  const replica = withModel();
  replica.must({ kind: "set-quota", prefix: "jobs/", bytes: 1, files: 0 });
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1)]));
  replica.must(work([completion(job, 0, rows(4), { tensors: content(7) })], []));
  t.truthy(fileOf(replica, job, 0));
  checkInvariants(replica);
});

test("a query may not have so many inputs that what it gives is over the limit", (t) => {
  // 16 MiB for each input.
  const replica = withModel([{ name: "out", type: "float32", shape: [2048, 2048] }]);
  for (const [batchSize, expected] of [
    [5, "INVALID"],
    [4, "ok"],
  ] as const) {
    const { outcome } = replica.apply(submission({ model: "arrays", batchSize }));
    t.is(outcome.kind === "refused" ? outcome.code : "ok", expected);
  }
  const job = submit(replica, { model: "arrays", batchSize: 1 });
  const set = (batchSize: number) =>
    replica.apply({ kind: "set-job", job, batchSize, weight: undefined }).outcome;
  t.is(set(4).kind, "ok");
  const refused = set(5);
  t.regex(JSON.stringify(refused), /each input of this model gives 16777216 bytes.*give 1 to 4/);
});

test("a node that joins raises what arrays need, as it does for every put", (t) => {
  const replica = withModel();
  const job = submit(replica, { model: "arrays" });
  replica.must(work([], [assign(job, 1)]));
  replica.must(register(4));
  replica.must(work([completion(job, 0, rows(4), { tensors: content(7) })], []));
  t.is(fileOf(replica, job, 0), undefined);
  replica.must(work([], [assign(job, 1, 0)]));
  const tensors = content(7, [1, 2, 3, 4]);
  replica.must(work([completion(job, 0, rows(4), { attempt: 2, tensors })], []));
  t.truthy(fileOf(replica, job, 0));
});

test("a result with arrays is the same bytes for ever", (t) => {
  const tensors = { bytes: 9, chunks: [chunk(7, [1], 4, 9)] };
  const result = completion("j1" as JobId, 0, [row, "missing"], { tensors });
  const operation = work([result], []);
  const bytes = encodeCommand({ v: 1, at: LogTime(5), key: undefined, operation });
  t.is(
    Buffer.from(bytes).toString("latin1"),
    [
      "\xde\x00\x03\xa1v\x01\xa2at\x05\xa9operation\xde\x00\x03\xa4kind\xa4work\xa8complete\x91\xde\x00\x07",
      "\xa3job\xa2j1\xa5query\x00\xa7attempt\x01\xa4node\xa2n1\xa9elapsedMs\x14",
      "\xa7outputs\x92\x90\xa7missing",
      `\xa7tensors\xde\x00\x02\xa5bytes\x09\xa6chunks\x91\xde\x00\x03\xa4hash\xd9\x40${hashOf(7)}`,
      "\xa5bytes\x09\xa8replicas\x91\xde\x00\x02\xa5store\xa6store1\xa5index\x04",
      "\xa6assign\x90",
    ].join(""),
  );
  t.deepEqual(decodeCommand(bytes).operation, operation as never);
});
