/** What a running node consists of, as its interfaces see it. Made by main.ts, closed by it in reverse order. */
import type { IntervalHistogram } from "node:perf_hooks";
import type { Executor } from "../inference/executor.ts";
import type { Machine } from "../machine/machine.ts";
import type { Raft } from "../raft/core.ts";
import type { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import type { Applier } from "./applier.ts";
import type { ChunkService } from "./chunk-service.ts";
import type { Coordination } from "./coordination.ts";
import type { Files } from "./files.ts";
import type { Inputs } from "./inputs.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import type { Models } from "./models.ts";
import type { RaftDriver } from "./raft-driver.ts";
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
