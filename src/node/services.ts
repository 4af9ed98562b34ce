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
import { Models } from "./models.ts";
import { type DriverPorts, RaftDriver } from "./raft-driver.ts";
import { SnapshotSource } from "./snapshots/snapshot-source.ts";
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
  /** What this node sends to those whom the log cannot bring forward. */
  readonly snapshots: SnapshotSource;
  readonly chunkStore: ChunkStore;
  readonly chunks: ChunkService;
  readonly files: Files;
  readonly inputs: Inputs;
  readonly models: Models;
  readonly executor: Executor;
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
  readonly cache: ChunkCache;
  readonly peers: PeerNetwork;
  readonly onFatal: (error: unknown) => void;
  /** The cluster has parted from this node. */
  readonly onRemoved: () => void;
}

/**
 * Makes the services of a node.
 * @param hooks what the node itself decides: called later, never while making
 */
export function makeServices(
  identity: NodeIdentity,
  parts: NodeParts,
  hooks: Pick<DriverPorts, "onRole" | "onConfiguration" | "fetchSnapshot" | "installSnapshot"> & {
    readonly isRegistered: () => boolean;
  },
): Services {
  const { raft, logStore, state, machine, logClock, clock, peers, log, executor, onFatal } = parts;
  const { self } = identity;
  const applier = new Applier({
    machine,
    state,
    logClock,
    log,
    entries: (from, maxBytes) => raft.entries(from, maxBytes),
    onFatal,
  });
  const driver = new RaftDriver({
    raft,
    store: logStore,
    applier,
    clock,
    send: (message) => peers.send(message.to, encodeMessage(message)),
    onRole: hooks.onRole,
    onConfiguration: hooks.onConfiguration,
    fetchSnapshot: hooks.fetchSnapshot,
    installSnapshot: hooks.installSnapshot,
    onFatal,
  });
  const coordination = new Coordination({
    self,
    driver,
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
  const snapshots = snapshotsOf(parts);
  const files = new Files({ state, chunks, coordination });
  const inputs = new Inputs({ files, chunks });
  const models = new Models(`${identity.directory}/models`, { files, executor });
  return {
    ...parts,
    identity: identity.identity,
    version: identity.version,
    driver,
    applier,
    coordination,
    snapshots,
    chunks,
    files,
    inputs,
    models,
    isReady: () => coordination.leader !== undefined && hooks.isRegistered(),
  };
}

function snapshotsOf({ state, logStore, clock }: NodeParts): SnapshotSource {
  return new SnapshotSource({
    view: () => state.view(),
    baseIndex: () => logStore.base.index,
    now: () => clock.now(),
  });
}
