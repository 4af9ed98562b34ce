/** Jobs over HTTP. The table of routes is in routes.ts. */
import { modelReferenceLength } from "../model-reference.ts";
import { type Static, Type } from "../schema.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

export const SubmitJobBody = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    /** Or an older version of one (model-reference.ts). */
    model: Type.String({ minLength: 1, maxLength: modelReferenceLength }),
    /** SDFS paths: a file, or a prefix ending in "/" (or naming a folder). Inputs are sorted by path, each once. */
    inputs: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
      minItems: 1,
      maxItems: 10_000,
    }),
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    maxErrors: Type.Optional(Type.Integer({ minimum: 0 })),
    priority: Type.Optional(Type.Integer({ minimum: -10, maximum: 10 })),
  },
  closed,
);
export type SubmitJobBody = Static<typeof SubmitJobBody>;

/** What a retry has otherwise than the job that it is of. */
export const RetryJobBody = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    /** This model, in place of the very one that the job had. */
    model: Type.Optional(Type.String({ minLength: 1, maxLength: modelReferenceLength })),
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    maxErrors: Type.Optional(Type.Integer({ minimum: 0 })),
    priority: Type.Optional(Type.Integer({ minimum: -10, maximum: 10 })),
  },
  closed,
);
export type RetryJobBody = Static<typeof RetryJobBody>;

export const SetJobBody = Type.Object(
  {
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    priority: Type.Optional(Type.Integer({ minimum: -10, maximum: 10 })),
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
    /** Time of a slot that a query took, milliseconds: without the turns of other jobs' queries. */
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
    /** Its class, -10 to 10: a higher one is served first. */
    priority: Type.Integer(),
    openQueries: Count,
    doneQueries: Count,
    /** Attempts at queries whose earlier one was lost or gave up, and at their halves. */
    retries: Count,
    /** Attempts at late queries while another went on: the first result counts. */
    speculativeAttempts: Count,
    submittedAtMs: Count,
    /** Log time from submission to the end, or to now. */
    elapsedMs: Count,
    /** Until the last input is done, if all goes on as it does; absent while that is unknown or the job does not run. */
    remainingMs: Type.Optional(Count),
    statistics: JobStatisticsView,
    /** The job whose failed and missing inputs these are. */
    retryOf: Type.Optional(Type.String()),
    /** The results file, once done. */
    results: Type.Optional(
      Type.Object(
        { path: Type.String(), version: Count, bytes: Count, sha256: Type.Optional(Type.String()) },
        closed,
      ),
    ),
    /** What it waits for, of one job that runs and had no result for 10 s or longer. For people to read. */
    waitingFor: Type.Optional(Type.String()),
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
  Type.Object(
    {
      input: Type.String(),
      /** Of a model that gives arrays: this row of each array of that file. */
      tensors: Type.Object({ file: Type.String(), row: Count }, closed),
    },
    closed,
  ),
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
