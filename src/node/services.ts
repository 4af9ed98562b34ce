/** What a running node consists of, as its interfaces see it. Made by main.ts, closed by it in reverse order. */
import type { ModelRecord } from "../machine/commands.ts";
import { join } from "node:path";
import type { Machine } from "../machine/machine.ts";
import type { Raft } from "../raft/core.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { JobId, NodeId } from "../lib/types.ts";
import { encodeMessage } from "../net/raft-codec.ts";
import { Applier, type ApplierPorts } from "./applier.ts";
import { ChunkService } from "./chunk-service.ts";
import type { CollectionTimes } from "./collector.ts";
import { Coordination } from "./coordination.ts";
import { Files } from "./files.ts";
import { Inputs } from "./inputs.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import { type Callers, peerAddresses } from "./peer-list.ts";
import { members as groupMembers } from "../raft/quorum.ts";
import { Metrics } from "./metrics.ts";
import { type DriverPorts, RaftDriver } from "./raft-driver.ts";
import { firstVoters } from "./opening.ts";
import type { CachedChunks, Chunks, Inference, LocalModels, LoopDelay, Peers } from "./ports.ts";
import type { ModelState } from "./model-preloader.ts";
import type { CompactionLimits } from "./snapshots/compactor.ts";
import { SnapshotExchange } from "./snapshots/snapshot-exchange.ts";
import type { RepairProgress } from "./repairer.ts";
import type { ScrubProgress } from "./scrubber.ts";
import type { SnapshotStage } from "./snapshots/snapshot-stage.ts";
import type { Disk } from "./stores/disk.ts";
import type { Identity } from "./stores/identity.ts";
import type { LogStore } from "./stores/log-store.ts";
import type { StateStore } from "./stores/state-store.ts";
import { StoreRoom } from "./store-room.ts";
import { TensorFiles } from "./tensor-files.ts";

export interface Upkeep {
  readonly scrub: ScrubProgress;
  /** Only of the node that leads. */
  readonly repair: RepairProgress | undefined;
}

export interface Services {
  readonly identity: Identity;
  readonly version: string;
  readonly log: Logger;
  readonly raft: Raft;
  readonly driver: RaftDriver;
  readonly applier: Applier;
  readonly machine: Machine;
  readonly state: StateStore;
  readonly logStore: LogStore;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly coordination: Coordination;
  /** Sends to those whom the log cannot bring forward, and brings this node forward. */
  readonly snapshots: SnapshotExchange;
  readonly chunkStore: Chunks;
  /** How much room the disk under the chunks has. */
  readonly room: StoreRoom;
  readonly chunks: ChunkService;
  readonly files: Files;
  readonly inputs: Inputs;
  /** What queries have given as arrays, on its way into the store. */
  readonly tensorFiles: TensorFiles;
  readonly models: LocalModels;
  /** What became here of a model that is to be loaded. */
  readonly modelState: (model: ModelRecord) => ModelState;
  readonly executor: Inference;
  readonly peers: Peers;
  readonly metrics: Metrics;
  readonly loopDelay: LoopDelay;
  /** What it does for its files by itself. */
  readonly upkeep: () => Upkeep;
  /** This node's name. */
  readonly self: NodeId;
  /** What keeps the queries of a job back that this node has in hand (worker.ts). */
  readonly delayOf: (job: JobId) => string | undefined;
  /** Whether this node knows a leader, is registered and has applied what was committed when it came. */
  readonly isReady: () => boolean;
}

export interface NodeIdentity {
  readonly self: NodeId;
  readonly boot: string;
  readonly directory: string;
  readonly identity: Services["identity"];
  readonly version: string;
}

export interface NodeParts extends Pick<
  Services,
  | "log"
  | "raft"
  | "logStore"
  | "state"
  | "machine"
  | "logClock"
  | "runtime"
  | "chunkStore"
  | "executor"
  | "loopDelay"
> {
  readonly disk: Disk;
  readonly cache: CachedChunks;
  /** When the log is cut; undefined: {@link defaultCompaction}. */
  readonly compaction?: CompactionLimits;
  /** When what nobody needs is collected; undefined: {@link defaultCollection}. */
  readonly collection?: CollectionTimes;
  /** Models on this machine, made from files of the store. */
  readonly makeModels: (files: Files) => LocalModels;
  /** Room kept free of chunks, in bytes. */
  readonly chunkReserveBytes: number;
  readonly stage: SnapshotStage;
  readonly stateFolder: string;
  readonly peers: Peers;
  /** Who has called since this process listens. */
  readonly callers: Callers;
  readonly onFatal: (error: unknown) => void;
  /** Voters wanted while nobody has set another number; undefined: the setting's default. */
  readonly votersAtFirst: number | undefined;
  /** The cluster has parted from this node. */
  readonly onRemoved: () => void;
}

type ConsensusHooks = Pick<DriverPorts, "onRole" | "onConfiguration"> &
  Pick<ApplierPorts, "onMutations">;

/** What carries entries from the log to the state, and the state to nodes that lack it. */
function makeConsensus(
  identity: NodeIdentity,
  parts: NodeParts & { readonly metrics: Metrics },
  hooks: ConsensusHooks,
): Pick<Services, "applier" | "snapshots" | "driver"> {
  const { raft, logStore, state, machine, logClock, runtime, peers, log, onFatal, metrics } = parts;
  const applier = new Applier({
    machine,
    state,
    logClock,
    runtime,
    log,
    entries: (from, maxBytes) => raft.entries(from, maxBytes),
    onMutations: hooks.onMutations,
    onFatal,
  });
  const snapshots: SnapshotExchange = new SnapshotExchange({
    ...parts,
    directory: identity.directory,
    driver: () => driver,
    founders: firstVoters(identity.identity),
  });
  const driver: RaftDriver = new RaftDriver({
    raft,
    store: logStore,
    applier,
    runtime,
    send: (message) => peers.send(message.to, encodeMessage(message)),
    onRole: hooks.onRole,
    onConfiguration: hooks.onConfiguration,
    observer: metrics,
    fetchSnapshot: (from, index) => snapshots.want(from, index),
    installSnapshot: async (snapshot, hardState) => snapshots.install(snapshot, hardState),
    onFatal,
  });
  return { applier, snapshots, driver };
}

/**
 * Makes the services of a node.
 * @param hooks what the node itself decides: called later, never while making
 */
export function makeServices(
  identity: NodeIdentity,
  parts: NodeParts,
  hooks: ConsensusHooks &
    Pick<Services, "upkeep" | "modelState" | "delayOf"> & { readonly isRegistered: () => boolean },
): Services {
  const { raft, state, machine, logClock, runtime, peers, log } = parts;
  const { self } = identity;
  const metrics = new Metrics();
  const { applier, snapshots, driver } = makeConsensus(identity, { ...parts, metrics }, hooks);
  const coordination = new Coordination({
    self,
    driver,
    observer: metrics,
    applier,
    logClock,
    runtime,
    peers,
    isOutsider: () => !groupMembers(raft.configuration).includes(self),
    others: () => peerAddresses(identity.identity, machine.members).keys(),
  });
  const room = new StoreRoom(
    { reserveBytes: parts.chunkReserveBytes },
    { self, store: parts.chunkStore, state, machine, coordination, runtime, log },
  );
  const chunks = new ChunkService({
    self,
    machine,
    state,
    applier,
    peers,
    store: parts.chunkStore,
    cache: parts.cache,
    room,
    runtime,
    log,
  });
  const files = new Files({ machine, state, chunks, coordination, runtime });
  const inputs = new Inputs({ files, chunks });
  const arrays = join(identity.directory, "arrays");
  const disk = parts.disk.files;
  const tensorFiles = new TensorFiles(arrays, { ...parts, disk, chunks, files });
  const models = parts.makeModels(files);
  return {
    ...parts,
    identity: identity.identity,
    version: identity.version,
    driver,
    applier,
    metrics,
    coordination,
    snapshots,
    room,
    chunks,
    files,
    inputs,
    tensorFiles,
    models,
    upkeep: hooks.upkeep,
    modelState: hooks.modelState,
    self,
    delayOf: hooks.delayOf,
    isReady: () => coordination.leader !== undefined && hooks.isRegistered(),
  };
}
