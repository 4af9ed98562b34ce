/** What becomes of models over HTTP. The table of routes is in routes.ts; ModelView is in cluster.ts. */
import { modelReferenceLength } from "../model-reference.ts";
import { type Static, Type } from "../schema.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

export const SetModelBody = Type.Object(
  {
    /** true: every node loads it now, and whenever it starts; false: nodes let it go, and load it when a job needs it. */
    loaded: Type.Boolean(),
  },
  closed,
);
export type SetModelBody = Static<typeof SetModelBody>;

export const ModelNodeView = Type.Object(
  {
    node: Type.String(),
    state: Type.Union([
      Type.Literal("loaded"),
      /** Fetched, opened and run, or waiting for its turn. */
      Type.Literal("loading"),
      /** It could not be loaded; it is tried again, ever more slowly. */
      Type.Literal("failed"),
      /** The node keeps no more models loaded. */
      Type.Literal("crowdedOut"),
      /** Nobody wants it to be loaded. */
      Type.Literal("unloaded"),
      /** The node did not say. */
      Type.Literal("unknown"),
    ]),
    why: Type.Optional(Type.String()),
  },
  closed,
);
export type ModelNodeView = Static<typeof ModelNodeView>;

export const SetAliasBody = Type.Object(
  {
    /** What it is to stand for: `NAME`, whichever version is the newest, or `NAME@3`. */
    model: Type.String({ minLength: 1, maxLength: modelReferenceLength }),
  },
  closed,
);
export type SetAliasBody = Static<typeof SetAliasBody>;

export const AliasView = Type.Object(
  {
    alias: Type.String(),
    model: Type.String(),
    /** Absent: whichever is the newest. */
    version: Type.Optional(Count),
  },
  closed,
);
export type AliasView = Static<typeof AliasView>;

export const RemovedModel = Type.Object(
  {
    name: Type.String(),
    /** Absent: all versions. */
    version: Type.Optional(Count),
    /** Jobs that have not ended and run what was removed: they go on. */
    jobs: Count,
  },
  closed,
);
export type RemovedModel = Static<typeof RemovedModel>;

export const RemovedAlias = Type.Object({ alias: Type.String() }, closed);
export type RemovedAlias = Static<typeof RemovedAlias>;
