/**
 * The HTTP interface, `/v1/…` on every node: the schemas from which the server validates, the client types and
 * OpenAPI are made. Reads are linearizable unless `?stale=true`. Mutations take an `Idempotency-Key` header (from
 * `POST /v1/keys`; without one the node mints it) and `Idunno-Timeout-Ms` (default 10,000): repeated with the same
 * key they happen once. Errors are `{error: {code, message, details}}`.
 *
 * | method and path              | body → answer                                                   |
 * | ---------------------------- | --------------------------------------------------------------- |
 * | POST /v1/keys                | → IssuedKey                                                     |
 * | GET /v1/status               | → StatusView (always local: what this node sees)                |
 * | GET /v1/members              | → MemberView[]                                                  |
 * | GET /v1/models, /v1/models/N | → ModelView[], ModelView                                        |
 * | POST /v1/models              | AddModelBody → ModelView                                        |
 * | POST /v1/jobs                | SubmitJobBody → JobView                                         |
 * | GET /v1/jobs, /v1/jobs/ID    | → JobView[], JobView                                            |
 * | PATCH /v1/jobs/ID            | SetJobBody → JobView                                            |
 * | GET /v1/jobs/ID/results      | → NDJSON of ResultLine in input order; ?follow=true until done  |
 * | GET /v1/jobs/ID/queries      | → QueryView[] (open ones)                                       |
 * | GET /v1/assignments          | → AssignmentsView                                               |
 * | PUT /v1/files/PATH           | bytes → FileView; ?ifVersion=N                                  |
 * | GET /v1/files/PATH           | → bytes; ?version=N; Range                                      |
 * | DELETE /v1/files/PATH        | → FileView of what was removed                                  |
 * | GET /v1/list                 | ?prefix=&after=&limit= → ListView                               |
 * | GET /v1/stat/PATH            | ?version=N → FileView                                           |
 * | GET /v1/versions/PATH        | → FileView[], oldest first                                      |
 * | GET /v1/locate/PATH          | ?version=N → LocateView                                         |
 * | GET /v1/stores/NODE          | ?after=&limit= → StoreView (NODE `self`: the one asked)         |
 * | GET /v1/log                  | ?from=&limit= → LogView                                         |
 */
import { ModelManifest } from "./model-manifest.ts";
import { type Static, type TSchema, Type } from "./schema.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

export const apiLimits = {
  /** Bytes of a JSON body: a list of 10,000 input prefixes fits. */
  bodyBytes: 16 * 1024 * 1024,
  /** Bytes of a file (design: SDFS). */
  fileBytes: 64 * 1024 ** 3,
  /** Rows of one page of a listing. */
  pageRows: 1_000,
  /** Inputs of a job. */
  jobInputs: 10_000_000,
  /** Default wait for a leader and a commit, in milliseconds. */
  timeoutMs: 10_000,
} as const;

export const ErrorBody = Type.Object({
  error: Type.Object({
    code: Type.String(),
    message: Type.String(),
    details: Type.Record(Type.String(), Type.Unknown()),
  }),
});
export type ErrorBody = Static<typeof ErrorBody>;

export const IssuedKey = Type.Object({ key: Type.String() }, closed);
export type IssuedKey = Static<typeof IssuedKey>;

export const MemberView = Type.Object(
  {
    node: Type.String(),
    state: Type.Union([Type.Literal("joining"), Type.Literal("up"), Type.Literal("down")]),
    role: Type.Union([Type.Literal("leader"), Type.Literal("voter"), Type.Literal("worker")]),
    peerAddress: Type.String(),
    httpAddress: Type.String(),
    slots: Count,
    incarnation: Type.String(),
    boot: Type.String(),
    store: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    /** Milliseconds of log time since the state last changed. */
    sinceMs: Count,
  },
  closed,
);
export type MemberView = Static<typeof MemberView>;

export const StatusView = Type.Object(
  {
    cluster: Type.String(),
    generation: Count,
    node: Type.String(),
    version: Type.String(),
    role: Type.Union([
      Type.Literal("leader"),
      Type.Literal("candidate"),
      Type.Literal("follower"),
      Type.Literal("damaged"),
    ]),
    leader: Type.Optional(Type.String()),
    term: Count,
    commitIndex: Count,
    appliedIndex: Count,
    lastIndex: Count,
    /** Log time in milliseconds. */
    logTimeMs: Count,
    /** Whether this node has a leader and has applied what that leader had committed when it was elected. */
    ready: Type.Boolean(),
    members: Type.Array(MemberView),
    jobs: Type.Object({ running: Count, paused: Count, ended: Count }, closed),
    executor: Type.Object(
      { slots: Count, running: Count, queued: Count, pid: Type.Optional(Count) },
      closed,
    ),
    /** 99th percentile of the daemon's event-loop delay since start, ms. */
    loopDelayMsP99: Type.Number(),
    residentBytes: Count,
    uptimeMs: Count,
  },
  closed,
);
export type StatusView = Static<typeof StatusView>;

export const AddModelBody = Type.Object(
  {
    manifest: ModelManifest,
    /** Where the .onnx bytes are in SDFS; they must hash to manifest.sha256. */
    file: Type.Object({ path: Type.String(), version: Type.Integer({ minimum: 1 }) }, closed),
  },
  closed,
);
export type AddModelBody = Static<typeof AddModelBody>;

export const ModelView = Type.Object(
  {
    name: Type.String(),
    version: Count,
    manifest: ModelManifest,
    file: Type.Object({ path: Type.String(), version: Count, bytes: Count }, closed),
    addedAtMs: Count,
  },
  closed,
);
export type ModelView = Static<typeof ModelView>;

export const SubmitJobBody = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    model: Type.String({ minLength: 1, maxLength: 64 }),
    /** SDFS paths: a file, or a prefix ending in "/" (or naming a folder). Inputs are sorted by path, each once. */
    inputs: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
      minItems: 1,
      maxItems: 10_000,
    }),
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    maxErrors: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export type SubmitJobBody = Static<typeof SubmitJobBody>;

export const SetJobBody = Type.Object(
  {
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    state: Type.Optional(
      Type.Union([Type.Literal("running"), Type.Literal("paused"), Type.Literal("cancelled")]),
    ),
  },
  closed,
);
export type SetJobBody = Static<typeof SetJobBody>;

export const JobStatisticsView = Type.Object(
  {
    /** Queries processed so far. */
    count: Count,
    /** Queries per second over the last 10 s of log time, and inputs likewise. */
    queryRate: Type.Number(),
    inputRate: Type.Number(),
    /** Query processing time, milliseconds. */
    meanMs: Type.Number(),
    standardDeviationMs: Type.Number(),
    medianMs: Type.Number(),
    p90Ms: Type.Number(),
    p95Ms: Type.Number(),
    p99Ms: Type.Number(),
  },
  closed,
);
export type JobStatisticsView = Static<typeof JobStatisticsView>;

export const JobView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: Type.Union([
      Type.Literal("running"),
      Type.Literal("paused"),
      Type.Literal("done"),
      Type.Literal("failed"),
      Type.Literal("cancelled"),
    ]),
    why: Type.Optional(Type.String()),
    model: Type.String(),
    modelVersion: Count,
    totalInputs: Count,
    doneInputs: Count,
    errorInputs: Count,
    batchSize: Count,
    weight: Type.Number(),
    openQueries: Count,
    doneQueries: Count,
    retries: Count,
    submittedAtMs: Count,
    /** Log time from submission to the end, or to now. */
    elapsedMs: Count,
    statistics: JobStatisticsView,
    /** The results file, once done. */
    results: Type.Optional(
      Type.Object(
        { path: Type.String(), version: Count, bytes: Count, sha256: Type.Optional(Type.String()) },
        closed,
      ),
    ),
  },
  closed,
);
export type JobView = Static<typeof JobView>;

/** A line of a job's results, in input order. Exactly these fields, in this order. */
export const ResultLine = Type.Union([
  Type.Object(
    {
      input: Type.String(),
      /** Best first; scores rounded to 6 decimals. */
      top: Type.Array(Type.Object({ label: Type.String(), score: Type.Number() }, closed)),
    },
    closed,
  ),
  Type.Object({ input: Type.String(), error: Type.String(), message: Type.String() }, closed),
]);
export type ResultLine = Static<typeof ResultLine>;

export const QueryView = Type.Object(
  {
    query: Count,
    from: Count,
    count: Count,
    attempts: Type.Array(Type.Object({ attempt: Count, node: Type.String() }, closed)),
  },
  closed,
);
export type QueryView = Static<typeof QueryView>;

export const AssignmentsView = Type.Object(
  {
    nodes: Type.Array(
      Type.Object(
        {
          node: Type.String(),
          state: Type.String(),
          slots: Count,
          queries: Type.Array(
            Type.Object({ job: Type.String(), query: Count, attempt: Count, count: Count }, closed),
          ),
        },
        closed,
      ),
    ),
    jobs: Type.Array(
      Type.Object(
        {
          job: Type.String(),
          name: Type.String(),
          nodes: Type.Array(Type.String()),
          openQueries: Count,
          queryRate: Type.Number(),
          /** Share of the slot time that jobs used since they started, 0 to 1. */
          slotTimeShare: Type.Number(),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type AssignmentsView = Static<typeof AssignmentsView>;

export const FileView = Type.Object(
  {
    path: Type.String(),
    version: Count,
    bytes: Count,
    chunks: Count,
    /** Copies durable when the version was acknowledged. */
    copies: Count,
    committedAtMs: Count,
  },
  closed,
);
export type FileView = Static<typeof FileView>;

export const ListView = Type.Object(
  {
    files: Type.Array(
      Type.Object(
        { path: Type.String(), version: Count, bytes: Count, modifiedAtMs: Count },
        closed,
      ),
    ),
    /** Give it as `after` for the next page; absent on the last. */
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type ListView = Static<typeof ListView>;

export const LocateView = Type.Object(
  {
    path: Type.String(),
    version: Count,
    bytes: Count,
    chunks: Type.Array(
      Type.Object(
        {
          hash: Type.String(),
          bytes: Count,
          replicas: Type.Array(Type.Object({ node: Type.String(), state: Type.String() }, closed)),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type LocateView = Static<typeof LocateView>;

export const StoreView = Type.Object(
  {
    node: Type.String(),
    store: Type.String(),
    chunks: Type.Array(Type.Object({ hash: Type.String(), bytes: Count }, closed)),
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type StoreView = Static<typeof StoreView>;

export const LogEntryView = Type.Object(
  {
    index: Count,
    term: Count,
    kind: Type.String(),
    bytes: Count,
    /** Running hash of the chain up to this entry, hex. */
    chain: Type.String(),
    /** The decoded command of a `command` entry, byte strings in hex. */
    command: Type.Optional(Type.Unknown()),
  },
  closed,
);
export type LogEntryView = Static<typeof LogEntryView>;

export const LogView = Type.Object(
  {
    firstIndex: Count,
    lastIndex: Count,
    commitIndex: Count,
    entries: Type.Array(LogEntryView),
  },
  closed,
);
export type LogView = Static<typeof LogView>;

/** Every schema by name, for OpenAPI. */
export const apiSchemas: Readonly<Record<string, TSchema>> = {
  ErrorBody,
  IssuedKey,
  MemberView,
  StatusView,
  AddModelBody,
  ModelView,
  SubmitJobBody,
  SetJobBody,
  JobView,
  QueryView,
  AssignmentsView,
  FileView,
  ListView,
  LocateView,
  StoreView,
  LogView,
};
