/**
 * The shape of each operation in the log, and by its order the order of its bytes: fields are never reordered, renamed or
 * removed within a version. Shapes only: whether an operation makes sense is for apply to say, with a reason that
 * people can read.
 */
import { ModelManifest } from "../lib/model-manifest.ts";
import { type TSchema, Type } from "../lib/schema.ts";
import type { Operation } from "./commands.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Node = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" });
/** Random ids, which become parts of keys. */
const Id = Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" });
const Job = Type.String({ pattern: "^j[0-9]{1,16}$" });
const Hash = Type.String({ pattern: "^[0-9a-f]{64}$" });
/** host:port; the longest host name has 253 characters. */
const Address = Type.String({ maxLength: 262 });
const Path = Type.String();
/** Of a removed version: log index and number. */
const RemovedId = Type.String({ pattern: "^[0-9]{12}/[0-9]{4}$" });
/** As in {@link ModelManifest}; becomes part of a key. */
const ModelName = Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" });
/** Becomes part of a key; which names there are, apply says. */
const Setting = Type.String({ pattern: "^[a-z][a-z0-9._-]{0,64}$" });

const Replica = Type.Object({ store: Id, index: Count }, closed);
const Chunk = Type.Object({ hash: Hash, bytes: Count, replicas: Type.Array(Replica) }, closed);
const Upload = Type.Object(
  { path: Path, bytes: Count, chunks: Type.Array(Chunk), ifVersion: Type.Optional(Count) },
  closed,
);
const FileAt = Type.Object({ path: Path, version: Count }, closed);
const Assign = Type.Object({ job: Job, node: Node, boot: Id, query: Type.Optional(Count) }, closed);
const Completion = Type.Object(
  {
    job: Job,
    query: Count,
    attempt: Count,
    node: Node,
    elapsedMs: Count,
    outputs: Type.Array(Type.Union([Type.Array(Type.Integer()), Type.String({ maxLength: 64 })])),
    failed: Type.Optional(Type.Union([Type.Literal("killed"), Type.Literal("hung")])),
    spanMs: Type.Optional(Count),
    tensors: Type.Optional(Type.Object({ bytes: Count, chunks: Type.Array(Chunk) }, closed)),
  },
  closed,
);

/** Chunks of one store. */
const chunksOnStore = { store: Id, chunks: Type.Array(Hash) };

function operation(kind: Operation["kind"], fields: Readonly<Record<string, TSchema>>): TSchema {
  return Type.Object({ kind: Type.Literal(kind), ...fields }, closed);
}

/** Every kind of operation of version 1. */
export const operationSchemas: { readonly [K in Operation["kind"]]: TSchema } = {
  "register-member": operation("register-member", {
    node: Node,
    incarnation: Id,
    boot: Id,
    store: Id,
    peerAddress: Address,
    httpAddress: Address,
    slots: Count,
    labels: Type.Array(Type.Tuple([Type.String(), Type.String()])),
  }),
  "mark-member": operation("mark-member", {
    node: Node,
    boot: Id,
    state: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("left")]),
  }),
  "remove-member": operation("remove-member", { node: Node }),
  "add-model": operation("add-model", { manifest: ModelManifest, file: FileAt }),
  "submit-job": operation("submit-job", {
    name: Type.String(),
    model: Type.String(),
    manifest: FileAt,
    catalogIndex: Count,
    totalInputs: Count,
    batchSize: Count,
    weight: Type.Number(),
    maxErrors: Type.Optional(Count),
    priority: Type.Optional(Type.Integer()),
    retryOf: Type.Optional(Job),
    modelVersion: Type.Optional(Count),
  }),
  "set-job": operation("set-job", {
    job: Job,
    batchSize: Type.Optional(Count),
    weight: Type.Optional(Type.Number()),
    priority: Type.Optional(Type.Integer()),
  }),
  "steer-job": operation("steer-job", {
    job: Job,
    to: Type.Union([Type.Literal("running"), Type.Literal("paused"), Type.Literal("cancelled")]),
  }),
  work: operation("work", { complete: Type.Array(Completion), assign: Type.Array(Assign) }),
  "finish-job": operation("finish-job", { job: Job, results: Upload }),
  "prune-results": operation("prune-results", { job: Job }),
  "commit-files": operation("commit-files", { files: Type.Array(Upload) }),
  "remove-file": operation("remove-file", { path: Path, purge: Type.Optional(Type.Literal(true)) }),
  "restore-file": operation("restore-file", { path: Path }),
  "collect-versions": operation("collect-versions", { ids: Type.Array(RemovedId) }),
  "collect-chunks": operation("collect-chunks", { chunks: Type.Array(Hash) }),
  "drop-chunks": operation("drop-chunks", chunksOnStore),
  "forget-drops": operation("forget-drops", {
    floor: Count,
    drops: Type.Array(Type.Object({ store: Id, hash: Hash }, closed)),
  }),
  "release-chunks": operation("release-chunks", chunksOnStore),
  "place-chunks": operation("place-chunks", {
    store: Id,
    chunks: Type.Array(Type.Object({ hash: Hash, index: Count }, closed)),
  }),
  "lose-chunks": operation("lose-chunks", chunksOnStore),
  "set-setting": operation("set-setting", {
    name: Setting,
    value: Type.Optional(Type.String()),
  }),
  "move-files": operation("move-files", {
    moves: Type.Array(Type.Object({ from: Path, to: Path }, closed)),
  }),
  "set-quota": operation("set-quota", {
    prefix: Path,
    bytes: Type.Optional(Count),
    files: Type.Optional(Count),
  }),
  "count-quota": operation("count-quota", {
    prefix: Path,
    made: Count,
    bytes: Count,
    files: Count,
  }),
  "weigh-store": operation("weigh-store", { store: Id, room: Count }),
  "set-alias": operation("set-alias", {
    alias: ModelName,
    model: Type.Optional(ModelName),
    version: Type.Optional(Count),
  }),
  "remove-model": operation("remove-model", {
    name: ModelName,
    version: Type.Optional(Count),
    keepFile: Type.Optional(Type.Literal(true)),
  }),
  "preload-model": operation("preload-model", {
    name: ModelName,
    version: Type.Optional(Count),
    wanted: Type.Boolean(),
  }),
};

/** What surrounds an operation; which schema that one has is told by its kind. */
export const commandSchema = Type.Object(
  {
    v: Type.Literal(1),
    at: Count,
    key: Type.Optional(Type.String({ maxLength: 64 })),
    operation: Type.Object({ kind: Type.String() }),
  },
  closed,
);
