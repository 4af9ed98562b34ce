/** Cluster, members and models over HTTP. The table of routes is in routes.ts. */
import { ModelNodeView } from "./models.ts";
import { ModelManifest } from "../model-manifest.ts";
import { type Static, Type } from "../schema.ts";

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });

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
    /** `leaving`: up and asked to leave; `left`: gone for good. */
    state: Type.Union([
      Type.Literal("up"),
      Type.Literal("down"),
      Type.Literal("leaving"),
      Type.Literal("left"),
    ]),
    /** In the Raft group, as the node that answers sees it; `none`: not (yet, or any more) in it. */
    role: Type.Union([
      Type.Literal("leader"),
      Type.Literal("voter"),
      Type.Literal("learner"),
      Type.Literal("none"),
    ]),
    peerAddress: Type.String(),
    httpAddress: Type.String(),
    slots: Count,
    incarnation: Type.String(),
    boot: Type.String(),
    store: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    /** Bytes that its store has for chunks, to the next step of 19 %; 0: its disk is full; absent: it has not said. */
    roomBytes: Type.Optional(Count),
    /** Milliseconds of log time since the state last changed. */
    sinceMs: Count,
  },
  closed,
);
export type MemberView = Static<typeof MemberView>;

const NamedAddress = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }),
    host: Type.String({ maxLength: 253 }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  },
  closed,
);

/** What a node must know to join. */
export const ClusterView = Type.Object(
  {
    cluster: Type.String({ pattern: "^[0-9a-f]{32}$" }),
    generation: Type.Integer({ minimum: 1 }),
    /** The first configuration. */
    founders: Type.Array(NamedAddress),
    /** Peer addresses of the present members. */
    members: Type.Array(NamedAddress),
  },
  closed,
);
export type ClusterView = Static<typeof ClusterView>;

export const LeaderView = Type.Object({ leader: Type.String() }, closed);
export type LeaderView = Static<typeof LeaderView>;

export const HandOverBody = Type.Object(
  {
    /** The voter that is to lead; by default the one that is furthest. */
    to: Type.Optional(Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" })),
  },
  closed,
);
export type HandOverBody = Static<typeof HandOverBody>;

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
    store: Type.Object(
      {
        id: Type.String(),
        /** Bytes that chunks may still take; absent while it is not known. */
        freeBytes: Type.Optional(Count),
        /** It takes no more chunks until there is room on its disk. */
        isFull: Type.Boolean(),
        /** Reading every chunk to see that it is whole. */
        scrub: Type.Object(
          {
            isRunning: Type.Boolean(),
            /** Read in the pass under way, or in the last one. */
            chunks: Count,
            bytes: Count,
            damaged: Count,
            /** Passes ended since the daemon began. */
            passes: Count,
            endedAgoMs: Type.Optional(Count),
          },
          closed,
        ),
      },
      closed,
    ),
    /** Copies of chunks that are made where some are missing, or moved; only of the leader, since it leads. */
    repair: Type.Optional(
      Type.Object(
        {
          copied: Count,
          bytes: Count,
          underWay: Count,
          /** Chunks that wait for room on a disk. */
          heldUp: Count,
          /** Chunks that wanted copies where it looked last. */
          wanting: Count,
        },
        closed,
      ),
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

export const InspectBody = Type.Object(
  {
    /** An .onnx file in SDFS. */
    file: Type.Object({ path: Type.String(), version: Type.Integer({ minimum: 1 }) }, closed),
    /** Of its bytes. */
    sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    /** Default: image. */
    inputKind: Type.Optional(Type.Union([Type.Literal("image"), Type.Literal("tensor")])),
    layout: Type.Optional(Type.Union([Type.Literal("nchw"), Type.Literal("nhwc")])),
    height: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    width: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
  },
  closed,
);
export type InspectBody = Static<typeof InspectBody>;

const TensorView = {
  name: Type.String(),
  type: Type.String(),
  shape: Type.Array(Type.Union([Type.Integer(), Type.String()])),
};

/** See lib/network.ts. */
export const NetworkView = Type.Object(
  {
    inputs: Type.Array(Type.Object(TensorView, closed)),
    outputs: Type.Array(
      Type.Object(
        {
          ...TensorView,
          values: Type.Optional(
            Type.Object(
              { least: Type.Number(), greatest: Type.Number(), sum: Type.Number() },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
    notRun: Type.Optional(Type.String()),
  },
  closed,
);
export type NetworkView = Static<typeof NetworkView>;

export const ModelView = Type.Object(
  {
    name: Type.String(),
    version: Count,
    manifest: ModelManifest,
    file: Type.Object({ path: Type.String(), version: Count, bytes: Count }, closed),
    addedAtMs: Count,
    /** Jobs that have not ended and run this version. */
    jobs: Count,
    /** The aliases that stand for this version now. */
    aliases: Type.Array(Type.String()),
    /** Whether nodes load it before it is used. */
    preloaded: Type.Boolean(),
    /** With `?loaded=true`: of the nodes that are up and have slots, what each has of it. */
    nodes: Type.Optional(Type.Array(ModelNodeView)),
  },
  closed,
);
export type ModelView = Static<typeof ModelView>;

export const SettingView = Type.Object(
  {
    name: Type.String(),
    value: Type.String(),
    /** False: nobody has set it, and this is what the cluster takes instead. */
    isSet: Type.Boolean(),
  },
  closed,
);
export type SettingView = Static<typeof SettingView>;

/** One page of the settings, by name. */
export const SettingsView = Type.Object(
  {
    settings: Type.Array(SettingView),
    /** Give it as `after` for the next page; absent on the last. */
    next: Type.Optional(Type.String()),
  },
  closed,
);
export type SettingsView = Static<typeof SettingsView>;

export const SetSettingBody = Type.Object({ value: Type.String() }, closed);
export type SetSettingBody = Static<typeof SetSettingBody>;

export const RemovedSetting = Type.Object({ name: Type.String() }, closed);
export type RemovedSetting = Static<typeof RemovedSetting>;
