/**
 * Snapshots at work in one node: sends them to whom the log cannot bring forward, fetches and installs one when this
 * node is behind the leader's log, and cuts the log. The core decides (src/raft/snapshot.ts); here are the bytes.
 */
import { join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { LogIndex, type NodeId } from "../../lib/types.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Reply } from "../../net/peers.ts";
import type { Raft } from "../../raft/core.ts";
import type { Configuration, HardState, SnapshotMeta } from "../../raft/types.ts";
import type { Logger } from "../log.ts";
import type { Observer } from "../metrics.ts";
import type { Peers } from "../ports.ts";
import type { RaftDriver } from "../raft-driver.ts";
import type { Disk } from "../stores/disk.ts";
import type { LogStore } from "../stores/log-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { type CompactionLimits, Compactor, defaultCompaction } from "./compactor.ts";
import type { SnapshotRequest } from "./snapshot-chunk.ts";
import { SnapshotFetcher } from "./snapshot-fetcher.ts";
import { SnapshotInstaller } from "./snapshot-installer.ts";
import { SnapshotSource } from "./snapshot-source.ts";
import type { SnapshotStage, Staged } from "./snapshot-stage.ts";

export interface SnapshotExchangePorts {
  readonly directory: string;
  readonly disk: Disk;
  /** Name of the state's folder as it was opened. */
  readonly stateFolder: string;
  readonly stage: SnapshotStage;
  readonly logStore: LogStore;
  readonly state: StateStore;
  readonly machine: Machine;
  readonly peers: Peers;
  readonly runtime: Runtime;
  readonly raft: Raft;
  readonly driver: () => RaftDriver;
  /** The configuration of a log that has never changed it. */
  readonly founders: Configuration;
  readonly log: Logger;
  readonly onFatal: (error: unknown) => void;
  readonly metrics: Observer;
  /** Default: {@link defaultCompaction}. */
  readonly compaction?: CompactionLimits;
}

interface Fetching {
  readonly from: NodeId;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class SnapshotExchange {
  readonly #ports: SnapshotExchangePorts;
  readonly source: SnapshotSource;
  readonly fetcher: SnapshotFetcher;
  readonly #installer: SnapshotInstaller;
  readonly #compactor: Compactor;
  #fetching: Fetching | undefined;
  #staged: Staged | undefined;
  #isClosed = false;

  constructor(ports: SnapshotExchangePorts) {
    this.#ports = ports;
    const { logStore, state, peers, stage, runtime, log, onFatal } = ports;
    this.source = new SnapshotSource({
      view: () => state.view(),
      baseIndex: () => logStore.base.index,
      runtime,
    });
    this.fetcher = new SnapshotFetcher({
      stage,
      request: async (to, request, options) => peers.request(to, "bulk", request, options),
      runtime,
      log,
    });
    this.#installer = new SnapshotInstaller(ports.stateFolder, ports);
    this.#compactor = new Compactor(ports.compaction ?? defaultCompaction, {
      logStore,
      state,
      oldestSnapshot: () => this.source.oldestIndex,
      configurationAt: (index) => ports.raft.configurationAsOf(index).configuration,
      now: () => runtime.now(),
      compacted: ({ index, term }) => ports.driver().compacted({ index, term }),
      onFailure: onFatal,
    });
    state.onDurable(() => this.#compactor.check());
  }

  /** For a node that the log cannot bring forward. */
  async chunk(request: SnapshotRequest): Promise<Required<Reply>> {
    const chunk = await this.source.chunk(request);
    if (chunk.head.done) this.#ports.metrics.snapshotSent();
    return chunk;
  }

  /** The core wants a snapshot of `atLeast` or later. It says so again and again; another leader is another source. */
  want(from: NodeId, atLeast: LogIndex): void {
    if (this.#isClosed || this.#staged !== undefined) return;
    if (this.#fetching !== undefined) {
      if (this.#fetching.from !== from) this.#fetching.stop.abort();
      return;
    }
    const stop = new AbortController();
    const ended = this.#fetch(from, atLeast, stop.signal).finally(() => {
      this.#fetching = undefined;
    });
    this.#fetching = { from, stop, ended };
  }

  async #fetch(from: NodeId, atLeast: LogIndex, signal: AbortSignal): Promise<void> {
    const { driver, onFatal, founders } = this.#ports;
    try {
      const staged = await this.fetcher.fetch({ from, atLeast }, signal);
      this.#staged = staged;
      const { index, term, configuration = founders } = staged.position;
      // Once the core has taken it, what lies before it is forgotten there, and a cut would have to know who voted then.
      await this.#compactor.pause();
      const isWanted = await driver().snapshotStaged({ index, term, configuration });
      if (!isWanted) await this.#dismiss(staged);
    } catch (error) {
      // Stopped: by another leader's offer, which comes again, or because the node closes.
      if (!signal.aborted) onFatal(error);
    }
  }

  /** The log went on by itself meanwhile. */
  async #dismiss({ folder, database }: Staged): Promise<void> {
    this.#staged = undefined;
    this.#compactor.resume();
    await database.close();
    const { directory, disk } = this.#ports;
    await disk.files.rm(join(directory, folder), { recursive: true });
  }

  /** Part of the write that installs: the staged state becomes the node's, then the log begins after it, and may be cut again. */
  async install({ index }: SnapshotMeta, hardState: HardState | undefined): Promise<void> {
    const { logStore } = this.#ports;
    const staged = this.#staged;
    if (staged?.position.index !== index)
      throw new IDunnoError("INTERNAL", { message: `the snapshot of ${index} is not staged` });
    const { chain, term, configuration } = await this.#installer.install(staged);
    await logStore.install(
      { index: LogIndex(index), term, chain, configuration },
      hardState ?? logStore.hardState,
    );
    this.#staged = undefined;
    this.#ports.metrics.snapshotInstalled();
    this.#compactor.resume();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#fetching?.stop.abort();
    await this.#fetching?.ended;
    await this.#compactor.pause();
    await this.source.close();
    await this.#staged?.database.close();
    await this.#installer.close();
  }
}
