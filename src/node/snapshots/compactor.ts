/**
 * When the log is cut, and where. It keeps more than it must, so that a node that was away for a while is brought
 * forward by entries; and it lets more gather before it cuts, so that a cut is worth its writes.
 */
import { LogIndex } from "../../lib/types.ts";
import type { Configuration } from "../../raft/types.ts";
import type { StoredBase } from "../stores/log-base.ts";
import type { LogStore } from "../stores/log-store.ts";
import type { StateStore } from "../stores/state-store.ts";

export interface CompactionLimits {
  /** What the log keeps: whichever of the two is less. */
  readonly keepEntries: number;
  readonly keepBytes: number;
  /** What may gather beyond that. */
  readonly slackEntries: number;
  readonly slackBytes: number;
  /** Milliseconds between two cuts: a reader of a snapshot may allow only small ones. */
  readonly pauseMs: number;
}

export const defaultCompaction: CompactionLimits = {
  // A minute of a busy cluster's entries, or as much as is sent in a second or two.
  keepEntries: 50_000,
  keepBytes: 64 * 1024 * 1024,
  slackEntries: 10_000,
  slackBytes: 16 * 1024 * 1024,
  // Arbitrary; long beside a synced write.
  pauseMs: 1_000,
};

/** The log as the policy sees it. */
export interface LogExtent {
  readonly baseIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly sizes: LogStore["sizes"];
}

/**
 * Up to where the log may be cut now; undefined: not at all.
 * @param bounds what must stay above the base: what is not durable in the state, and what an open snapshot needs
 */
export function cutAt(
  { baseIndex, lastIndex, sizes }: LogExtent,
  bounds: { readonly durableIndex: number; readonly oldestSnapshot: number | undefined },
  limits: CompactionLimits,
): LogIndex | undefined {
  const { keepEntries, keepBytes, slackEntries, slackBytes } = limits;
  const isLong = lastIndex - baseIndex > keepEntries + slackEntries;
  if (!isLong && sizes.bytes <= keepBytes + slackBytes) return undefined;
  const cut = Math.min(
    Math.max(lastIndex - keepEntries, sizes.indexKeeping(keepBytes)),
    bounds.durableIndex,
    bounds.oldestSnapshot ?? Number.POSITIVE_INFINITY,
  );
  return cut > baseIndex ? LogIndex(cut) : undefined;
}

export interface CompactorPorts {
  readonly logStore: LogStore;
  readonly state: StateStore;
  readonly oldestSnapshot: () => number | undefined;
  /** Who voted as of an entry of the log. */
  readonly configurationAt: (index: LogIndex) => Configuration;
  readonly now: () => number;
  /** The base has moved; what lies under it can be read until this returns. */
  readonly compacted: (base: StoredBase) => void;
  /** The disk failed: the node must stop. */
  readonly onFailure: (error: unknown) => void;
}

export class Compactor {
  readonly #limits: CompactionLimits;
  readonly #ports: CompactorPorts;
  #running: Promise<void> | undefined;
  #notBefore = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(limits: CompactionLimits, ports: CompactorPorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  /** Cuts the log if it is time. Cheap: to be called whenever a batch of the state has become durable. */
  check(): void {
    const { logStore, state, oldestSnapshot, now } = this.#ports;
    if (this.#running !== undefined || this.#isStopped || now() < this.#notBefore) return;
    const cut = cutAt(
      { baseIndex: logStore.base.index, lastIndex: logStore.lastIndex, sizes: logStore.sizes },
      { durableIndex: state.durableIndex, oldestSnapshot: oldestSnapshot() },
      this.#limits,
    );
    if (cut === undefined) return;
    this.#notBefore = now() + this.#limits.pauseMs;
    this.#running = this.#cut(cut).finally(() => {
      this.#running = undefined;
    });
  }

  async #cut(to: LogIndex): Promise<void> {
    const { logStore, compacted, onFailure } = this.#ports;
    try {
      compacted(await logStore.compact(to, this.#ports.configurationAt(to)));
      await logStore.trim();
    } catch (error) {
      onFailure(error);
    }
  }

  /** Waits for the cut under way, for instance before a snapshot takes the log's place; none begins any more until resumed. */
  async pause(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  resume(): void {
    this.#isStopped = false;
  }
}
