/**
 * What nodes ask of each other on the control and bulk lanes: a union on `kind`, checked where it arrives. Chunk bytes
 * and encoded commands travel as the frame's body.
 */
import { ModelNodeView } from "../lib/api/models.ts";
import { parser, type Static, Type } from "../lib/schema.ts";
import { smallChunksTogether } from "../sdfs/chunks/small-chunks.ts";
import { batchChunks } from "./bulk.ts";
import { SnapshotRequest } from "./snapshots/snapshot-chunk.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });
const Hash = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** A query as a worker is told of it. */
const PushedQuery = Type.Object(
  {
    job: Type.String({ maxLength: 32 }),
    query: Count,
    attempt: Count,
    node: Type.String({ maxLength: 64 }),
    boot: Type.String({ maxLength: 64 }),
    from: Count,
    count: Count,
    suspect: Type.Optional(Type.Literal(true)),
  },
  closed,
);

/** The leader hands out work. A hint: it may come twice, and what a worker does not know yet it looks up. */
export const AssignRequest = Type.Object(
  { kind: Type.Literal("assign"), queries: Type.Array(PushedQuery, { maxItems: 10_000 }) },
  closed,
);
export type AssignRequest = Static<typeof AssignRequest>;

/** The chunks of a file of arrays: lib/tensors.ts bounds it. A chunk is put on 4 stores. */
const Uploaded = Type.Array(
  Type.Object(
    {
      hash: Hash,
      bytes: Count,
      replicas: Type.Array(
        Type.Object({ store: Type.String({ maxLength: 64 }), index: Count }, closed),
        { maxItems: 16 },
      ),
    },
    closed,
  ),
  { maxItems: 32 },
);

/** A worker hands in results; answered when they are committed. */
export const CompleteRequest = Type.Object(
  {
    kind: Type.Literal("complete"),
    completions: Type.Array(
      Type.Object(
        {
          job: Type.String({ maxLength: 32 }),
          query: Count,
          attempt: Count,
          node: Type.String({ maxLength: 64 }),
          elapsedMs: Count,
          outputs: Type.Array(
            Type.Union([Type.Array(Type.Integer()), Type.String({ maxLength: 64 })]),
          ),
          failed: Type.Optional(Type.Union([Type.Literal("killed"), Type.Literal("hung")])),
          spanMs: Type.Optional(Count),
          tensors: Type.Optional(Type.Object({ bytes: Count, chunks: Uploaded }, closed)),
        },
        closed,
      ),
      { maxItems: 1_024 },
    ),
  },
  closed,
);
export type CompleteRequest = Static<typeof CompleteRequest>;

/** What a node has of each of these models. */
export const ModelStatesRequest = Type.Object(
  {
    kind: Type.Literal("modelStates"),
    /** The log index that the one who is asked must have applied. */
    index: Count,
    models: Type.Array(
      Type.Object({ name: Type.String({ maxLength: 64 }), version: Count }, closed),
      // More than there can be: 1,000 versions.
      { maxItems: 2_000 },
    ),
  },
  closed,
);
export type ModelStatesRequest = Static<typeof ModelStatesRequest>;

const requests = {
  /** Body: an encoded command, stamped anew by the leader. Answer: its outcome. */
  propose: Type.Object({ kind: Type.Literal("propose") }, closed),
  /** Answer: the index that makes a read linearizable. */
  readIndex: Type.Object({ kind: Type.Literal("readIndex") }, closed),
  /** Answer when another node leads; `to` undefined: whoever is furthest. */
  handOver: Type.Object(
    { kind: Type.Literal("handOver"), to: Type.Optional(Type.String({ maxLength: 64 })) },
    closed,
  ),
  /** From a node that is not in the Raft group yet, and so hears no leader. Answer: who leads, if that is known. */
  whoLeads: Type.Object({ kind: Type.Literal("whoLeads") }, closed),
  assign: AssignRequest,
  complete: CompleteRequest,
  /** Answer: what keeps back the queries of a job that the asked node has in hand. */
  delay: Type.Object({ kind: Type.Literal("delay"), job: Type.String({ maxLength: 32 }) }, closed),
  /** Make a chunk local and durable, from one of these nodes. Answer: the applied index then. */
  copyChunk: Type.Object(
    { kind: Type.Literal("copyChunk"), hash: Hash, from: Type.Array(Type.String()) },
    closed,
  ),
  /** Body: the chunk. Answer: store id and applied index, once durable. */
  putChunk: Type.Object({ kind: Type.Literal("putChunk"), hash: Hash }, closed),
  /** Body: the chunks, one after the other. Answer: as for putChunk, once all are durable. */
  putChunks: Type.Object(
    {
      kind: Type.Literal("putChunks"),
      chunks: Type.Array(Type.Object({ hash: Hash, bytes: Count }, closed), {
        maxItems: batchChunks,
      }),
    },
    closed,
  ),
  /** Answer's body: the chunk; `found: false` when it is not here or damaged. */
  getChunk: Type.Object({ kind: Type.Literal("getChunk"), hash: Hash }, closed),
  /** Small chunks. Answer: the size of each, in their order, absent where it is not here; body: those, one after the other. */
  getChunks: Type.Object(
    {
      kind: Type.Literal("getChunks"),
      hashes: Type.Array(Hash, { maxItems: smallChunksTogether }),
    },
    closed,
  ),
  /** "Have it already" is answered by the replica itself, after it hashed it. Answer as for putChunk, or found: false. */
  hasChunk: Type.Object({ kind: Type.Literal("hasChunk"), hash: Hash }, closed),
  /** The next rows of a snapshot of the state. Answer: which, and how far (snapshot-chunk.ts); body: the rows. */
  snapshotChunk: SnapshotRequest,
  /** Answer: the state of each. */
  modelStates: ModelStatesRequest,
} as const;

export type ControlRequest = {
  [K in keyof typeof requests]: Static<(typeof requests)[K]>;
}[keyof typeof requests];

const kindOf = parser(
  Type.Object({ kind: Type.Union(Object.keys(requests).map((kind) => Type.Literal(kind))) }),
  "request",
);
const parsers = new Map(
  Object.entries(requests).map(([kind, schema]) => [kind, parser(schema, `request ${kind}`)]),
);

/** @throws IDunnoError MALFORMED */
export function parseRequest(value: unknown): ControlRequest {
  const parse = parsers.get((kindOf(value) as { kind: string }).kind);
  return parse?.(value) as ControlRequest;
}

/** The answers, likewise checked by whoever asked. */
export const parseDurable = parser(
  Type.Object({ found: Type.Boolean(), store: Type.String(), index: Count }, closed),
  "answer",
);
export const parseIndex = parser(Type.Object({ index: Count }, closed), "answer");
export const parseLeader = parser(
  Type.Object({ leader: Type.Optional(Type.String({ maxLength: 64 })) }, closed),
  "answer",
);
export const parseDelay = parser(
  Type.Object({ why: Type.Optional(Type.String({ maxLength: 1_024 })) }, closed),
  "answer",
);
export const parseFound = parser(Type.Object({ found: Type.Boolean() }, closed), "answer");
export const parseFoundMany = parser(
  Type.Object(
    {
      bytes: Type.Array(Type.Union([Count, Type.Literal("absent")]), {
        maxItems: smallChunksTogether,
      }),
    },
    closed,
  ),
  "answer",
);
export const parseModelStates = parser(
  Type.Object({ states: Type.Array(Type.Omit(ModelNodeView, ["node"])) }, closed),
  "answer",
);
export const parseOutcome = parser(
  Type.Union([
    Type.Object({ kind: Type.Literal("ok"), value: Type.Object({ kind: Type.String() }) }),
    Type.Object({
      kind: Type.Literal("refused"),
      code: Type.String(),
      details: Type.Record(Type.String(), Type.Unknown()),
    }),
  ]),
  "outcome",
);
