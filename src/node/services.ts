/** What a running node consists of, as its interfaces see it. Made by main.ts, closed by it in reverse order. */
import type { IntervalHistogram } from "node:perf_hooks";
import type { Executor } from "../inference/executor.ts";
import type { Machine } from "../machine/machine.ts";
import type { Raft } from "../raft/core.ts";
import type { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import type { ChunkCache } from "../sdfs/chunks/chunk-cache.ts";
import type { NodeId } from "../lib/types.ts";
import type { PeerNetwork } from "../net/peers.ts";
import { encodeMessage } from "../net/raft-codec.ts";
import { Applier } from "./applier.ts";
import { ChunkService } from "./chunk-service.ts";
import { Coordination } from "./coordination.ts";
import { Files } from "./files.ts";
import { Inputs } from "./inputs.ts";
import type { Logger } from "./log.ts";
import type { LogClock, MonotonicClock } from "./log-clock.ts";
import { peerAddresses } from "./peer-list.ts";
import { members as groupMembers } from "../raft/quorum.ts";
import { Metrics } from "./metrics.ts";
import { Models } from "./models.ts";
import { type DriverPorts, RaftDriver } from "./raft-driver.ts";
import { foundersOf } from "./opening.ts";
import { SnapshotExchange } from "./snapshots/snapshot-exchange.ts";
import type { SnapshotStage } from "./snapshots/snapshot-stage.ts";
import type { Disk } from "./stores/disk.ts";
import type { Identity } from "./stores/identity.ts";
import type { LogStore } from "./stores/log-store.ts";
import type { StateStore } from "./stores/state-store.ts";

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
  readonly coordination: Coordination;
  /** Sends to those whom the log cannot bring forward, and brings this node forward. */
  readonly snapshots: SnapshotExchange;
  readonly chunkStore: ChunkStore;
  readonly chunks: ChunkService;
  readonly files: Files;
  readonly inputs: Inputs;
  readonly models: Models;
  readonly executor: Executor;
  readonly peers: PeerNetwork;
  readonly metrics: Metrics;
  readonly loopDelay: IntervalHistogram;
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
  | "chunkStore"
  | "executor"
  | "loopDelay"
> {
  readonly clock: MonotonicClock;
  readonly disk: Disk;
  readonly cache: ChunkCache;
  readonly stage: SnapshotStage;
  readonly stateFolder: string;
  readonly peers: PeerNetwork;
  readonly onFatal: (error: unknown) => void;
  /** Voters wanted while nobody has set another number; undefined: the setting's default. */
  readonly votersAtFirst: number | undefined;
  /** The cluster has parted from this node. */
  readonly onRemoved: () => void;
}

type ConsensusHooks = Pick<DriverPorts, "onRole" | "onConfiguration">;

/** What carries entries from the log to the state, and the state to nodes that lack it. */
function makeConsensus(
  identity: NodeIdentity,
  parts: NodeParts & { readonly metrics: Metrics },
  hooks: ConsensusHooks,
): Pick<Services, "applier" | "snapshots" | "driver"> {
  const { raft, logStore, state, machine, logClock, clock, peers, log, onFatal, metrics } = parts;
  const applier = new Applier({
    machine,
    state,
    logClock,
    log,
    entries: (from, maxBytes) => raft.entries(from, maxBytes),
    onFatal,
  });
  const snapshots: SnapshotExchange = new SnapshotExchange({
    ...parts,
    directory: identity.directory,
    driver: () => driver,
    founders: foundersOf(identity.identity),
  });
  const driver: RaftDriver = new RaftDriver({
    raft,
    store: logStore,
    applier,
    clock,
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
  hooks: ConsensusHooks & { readonly isRegistered: () => boolean },
): Services {
  const { raft, state, machine, logClock, peers, log, executor } = parts;
  const { self } = identity;
  const metrics = new Metrics();
  const { applier, snapshots, driver } = makeConsensus(identity, { ...parts, metrics }, hooks);
  const coordination = new Coordination({
    self,
    driver,
    observer: metrics,
    applier,
    logClock,
    peers,
    isOutsider: () => !groupMembers(raft.configuration).includes(self),
    others: () => peerAddresses(identity.identity, machine.members).keys(),
  });
  const chunks = new ChunkService({
    self,
    machine,
    state,
    applier,
    peers,
    store: parts.chunkStore,
    cache: parts.cache,
    log,
  });
  const files = new Files({ state, chunks, coordination });
  const inputs = new Inputs({ files, chunks });
  const models = new Models(`${identity.directory}/models`, { files, executor });
  return {
    ...parts,
    identity: identity.identity,
    version: identity.version,
    driver,
    applier,
    metrics,
    coordination,
    snapshots,
    chunks,
    files,
    inputs,
    models,
    isReady: () => coordination.leader !== undefined && hooks.isRegistered(),
  };
}
