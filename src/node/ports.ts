/**
 * What a node is joined to from outside, as far as its services use it: the network, the chunks on its disk, and
 * inference. Each has one implementation that does the real thing; the simulation has another.
 */
import type { Histogram } from "node:perf_hooks";
import type { Executor } from "../inference/executor.ts";
import type { PeerNetwork } from "../net/peers.ts";
import type { ChunkCache } from "../sdfs/chunks/chunk-cache.ts";
import type { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import type { Models } from "./models.ts";

export type Peers = Pick<
  PeerNetwork,
  "connected" | "isConnected" | "port" | "request" | "send" | "setPeers"
>;

export type Chunks = Pick<
  ChunkStore,
  | "delete"
  | "find"
  | "freeBytes"
  | "get"
  | "has"
  | "hash"
  | "id"
  | "known"
  | "list"
  | "put"
  | "putMany"
  | "putVerified"
  | "size"
>;

export type CachedChunks = Pick<ChunkCache, "acquire" | "bytes" | "has" | "suspect">;

export type Inference = Pick<
  Executor,
  | "cancel"
  | "inspect"
  | "isLoaded"
  | "load"
  | "loadedModels"
  | "pid"
  | "queriesRun"
  | "queued"
  | "run"
  | "runAlone"
  | "running"
  | "slots"
  | "unload"
  | "validate"
>;

export type LocalModels = Pick<
  Models,
  "drop" | "hold" | "local" | "path" | "ready" | "release" | "stored"
>;

/** Nanoseconds by which timers of the event loop were late. */
export type LoopDelay = Pick<Histogram, "max" | "percentile">;
