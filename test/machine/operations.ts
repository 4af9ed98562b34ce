/** Random operations of every kind, for the codec: every field present, or absent where it may be. */
import fc from "fast-check";
import { Attempt, FileVersion, JobId, LogTime, QueryNumber, StoreId } from "../../src/lib/types.ts";
import type { Command, Operation } from "../../src/machine/commands.ts";
import { tensorTypes } from "../../src/lib/tensors.ts";
import { arrayManifest, hashOf, manifest, nodeName } from "./fixtures.ts";

const count = fc.oneof(fc.nat(100), fc.maxSafeNat());
const text = fc.string({ maxLength: 12 });
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
const node = fc.nat(99).map(nodeName);
const store = id.map(StoreId);
const job = count.map((n) => JobId(`j${n}`));
const hash = fc.nat().map(hashOf);
const modelName = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/);
const query = count.map(QueryNumber);
const version = count.map(FileVersion);
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const few = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 3 });
const fileAt = fc.record({ path: text, version });
const content = {
  bytes: count,
  chunks: few(
    fc.record({ hash, bytes: count, replicas: few(fc.record({ store: id, index: count })) }),
  ),
};
const upload = fc.record({ path: text, ...content, ifVersion: optional(count) });
const output = fc.oneof(few(fc.integer()), fc.constantFrom("unreadable", "missing"));
const arrays = fc.array(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12 }),
    type: fc.constantFrom(...tensorTypes),
    shape: few(fc.integer({ min: 1, max: 9 })),
  }),
  { minLength: 1, maxLength: 3 },
);
const { input: _, preprocessing: __, ...arraysOnly } = arrayManifest;
const kind = <K extends Operation["kind"]>(name: K) => fc.constant(name);

/** By kind, so that none is forgotten. */
export const operations: {
  readonly [K in Operation["kind"]]: fc.Arbitrary<Extract<Operation, { kind: K }>>;
} = {
  "register-member": fc.record({
    kind: kind("register-member"),
    node,
    incarnation: id,
    boot: id,
    store,
    peerAddress: text,
    httpAddress: text,
    slots: count,
    labels: few(fc.tuple(text, text)),
  }),
  "mark-member": fc.record({
    kind: kind("mark-member"),
    node,
    boot: id,
    state: fc.constantFrom("up", "down", "left"),
  }),
  "remove-member": fc.record({ kind: kind("remove-member"), node }),
  "add-model": fc.record({
    kind: kind("add-model"),
    manifest: fc.oneof(
      fc
        .record({ topK: fc.integer({ min: 1, max: 100 }), labels: few(text) })
        .map((m) => ({ ...manifest, ...m })),
      fc.record({ inputs: arrays, outputs: arrays }).map((m) => ({ ...arraysOnly, ...m })),
    ),
    file: fileAt,
  }),
  "submit-job": fc.record({
    kind: kind("submit-job"),
    name: text,
    model: text,
    manifest: fileAt,
    catalogIndex: count,
    totalInputs: count,
    batchSize: count,
    weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
    maxErrors: optional(count),
    priority: optional(fc.integer({ min: -10, max: 10 })),
    retryOf: optional(job),
    modelVersion: optional(count),
  }),
  "set-job": fc.record({
    kind: kind("set-job"),
    job,
    batchSize: optional(count),
    weight: optional(fc.double({ min: 0.01, max: 100, noNaN: true })),
    priority: optional(fc.integer({ min: -10, max: 10 })),
  }),
  "steer-job": fc.record({
    kind: kind("steer-job"),
    job,
    to: fc.constantFrom("running", "paused", "cancelled"),
  }),
  work: fc.record({
    kind: kind("work"),
    complete: few(
      fc.record({
        job,
        query,
        attempt: count.map(Attempt),
        node,
        elapsedMs: count,
        outputs: few(output),
        failed: optional(fc.constantFrom("killed" as const, "hung" as const)),
        tensors: optional(fc.record(content)),
      }),
    ),
    assign: few(fc.record({ job, node, boot: id, query: optional(query) })),
  }),
  "finish-job": fc.record({ kind: kind("finish-job"), job, results: upload }),
  "prune-results": fc.record({ kind: kind("prune-results"), job }),
  "commit-files": fc.record({ kind: kind("commit-files"), files: few(upload) }),
  "remove-file": fc.record({
    kind: kind("remove-file"),
    path: text,
    purge: optional(fc.constant(true as const)),
  }),
  "restore-file": fc.record({ kind: kind("restore-file"), path: text }),
  "collect-versions": fc.record({
    kind: kind("collect-versions"),
    ids: few(fc.stringMatching(/^[0-9]{12}\/[0-9]{4}$/)),
  }),
  "collect-chunks": fc.record({ kind: kind("collect-chunks"), chunks: few(hash) }),
  "drop-chunks": fc.record({ kind: kind("drop-chunks"), store, chunks: few(hash) }),
  "forget-drops": fc.record({
    kind: kind("forget-drops"),
    floor: count,
    drops: few(fc.record({ store, hash })),
  }),
  "release-chunks": fc.record({ kind: kind("release-chunks"), store, chunks: few(hash) }),
  "place-chunks": fc.record({
    kind: kind("place-chunks"),
    store,
    chunks: few(fc.record({ hash, index: count })),
  }),
  "lose-chunks": fc.record({ kind: kind("lose-chunks"), store, chunks: few(hash) }),
  "set-setting": fc.record({
    kind: kind("set-setting"),
    name: fc.stringMatching(/^[a-z][a-z0-9._-]{0,64}$/),
    value: optional(text),
  }),
  "move-files": fc.record({
    kind: kind("move-files"),
    moves: few(fc.record({ from: text, to: text })),
  }),
  "set-quota": fc.record({
    kind: kind("set-quota"),
    prefix: text,
    bytes: optional(count),
    files: optional(count),
  }),
  "count-quota": fc.record({
    kind: kind("count-quota"),
    prefix: text,
    made: count,
    bytes: count,
    files: count,
  }),
  "set-alias": fc.record({
    kind: kind("set-alias"),
    alias: modelName,
    model: optional(modelName),
    version: optional(count),
  }),
  "remove-model": fc.record({
    kind: kind("remove-model"),
    name: modelName,
    version: optional(count),
    keepFile: optional(fc.constant(true as const)),
  }),
  "preload-model": fc.record({
    kind: kind("preload-model"),
    name: modelName,
    version: optional(count),
    wanted: fc.boolean(),
  }),
  "weigh-store": fc.record({ kind: kind("weigh-store"), store, room: count }),
};

export const operation: fc.Arbitrary<Operation> = fc.oneof(...Object.values(operations));

export const command: fc.Arbitrary<Command> = fc.record({
  v: fc.constant(1 as const),
  at: count.map(LogTime),
  key: optional(fc.stringMatching(/^[0-9]{1,13}-[0-9a-f]{16}$/)),
  operation,
});
