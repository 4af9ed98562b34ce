/**
 * Collection, as the leader: looks through the lists of what may be forgotten, a page of each at a time, and proposes it.
 * Apply decides what of it really goes (sdfs/catalog/collection.ts, G1 and G2); nodes then delete the files (sweeper.ts).
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import { ChunkHash, StoreId } from "../lib/types.ts";
import { versionsPerCollect } from "../sdfs/catalog/collection.ts";
import { chunksPerMove } from "../sdfs/catalog/replicas.ts";
import type { Coordination } from "./coordination.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

export interface CollectionTimes {
  /** How often the leader looks, in ms. */
  readonly sweepMs: number;
  /** How long a chunk is nobody's before it is forgotten, in ms: who puts the same content soon need not send it again. */
  readonly garbageMs: number;
  /** How long a drop is remembered, in ms: uploads that take longer have their chunks acknowledged again. */
  readonly dropMs: number;
  /** How long a file must have been nobody's before it is deleted, in ms: longer than an upload takes. */
  readonly orphanMs: number;
  /** How often a node compares its whole store with the catalog, in ms. */
  readonly inventoryMs: number;
}

export const defaultCollection: CollectionTimes = {
  sweepMs: 5_000,
  garbageMs: 60_000,
  dropMs: 24 * 3_600_000,
  orphanMs: 24 * 3_600_000,
  inventoryMs: 6 * 3_600_000,
};

/** Chunks whose beginning as garbage is remembered; others are looked at when these are gone. */
const garbageKept = 20_000;
/** Marks of log index and time: enough to tell one from a day ago by a quarter of an hour. */
const marksKept = 100;

export interface CollectorPorts {
  readonly state: StateStore;
  readonly coordination: Coordination;
  readonly driver: RaftDriver;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Collector {
  readonly #times: CollectionTimes;
  readonly #ports: CollectorPorts;
  readonly #duty: LeaderDuty;
  #timer: Timer | undefined;
  /** Where the next page of a list begins. */
  readonly #cursors = new Map<string, string>();
  /** Since when a chunk has been nobody's, as far as this leader has seen, in log time. */
  readonly #garbage = new Map<string, number>();
  /** Which log index was the last when. */
  #marks: { readonly at: number; readonly index: number }[] = [];

  constructor(times: CollectionTimes, ports: CollectorPorts) {
    this.#times = times;
    this.#ports = ports;
    this.#duty = new LeaderDuty(
      { name: "collection" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(this.#times.sweepMs, () => this.#duty.nudge());
  }

  async #work(): Promise<void> {
    const ids = await this.#page("removed/", versionsPerCollect);
    await this.#propose({ kind: "collect-versions", ids }, ids.length);
    const garbage = this.#ripe(await this.#page("garbage/", chunksPerMove));
    await this.#propose({ kind: "collect-chunks", chunks: garbage }, garbage.length);
    await this.#forgetDrops();
  }

  /** Those that have been nobody's for long enough. */
  #ripe(hashes: readonly string[]): string[] {
    const now = this.#ports.logClock.now();
    const ripe: string[] = [];
    for (const hash of hashes) {
      const since = this.#garbage.get(hash);
      if (since === undefined) {
        if (this.#garbage.size < garbageKept) this.#garbage.set(hash, now);
      } else if (now - since >= this.#times.garbageMs) {
        this.#garbage.delete(hash);
        ripe.push(hash);
      }
    }
    // What somebody names again is garbage no more; another time it begins anew.
    if (hashes.length === 0) this.#garbage.clear();
    return ripe;
  }

  async #forgetDrops(): Promise<void> {
    const { logClock, state } = this.#ports;
    const { dropMs } = this.#times;
    const now = logClock.now();
    const newest = this.#marks.at(-1);
    if (newest === undefined || now - newest.at >= dropMs / marksKept)
      this.#marks.push({ at: now, index: state.appliedIndex });
    const old = this.#marks.findLastIndex(({ at }) => now - at >= dropMs);
    if (old < 0) return;
    this.#marks = this.#marks.slice(old);
    const floor = this.#marks[0]?.index ?? 0;
    const drops = (await this.#page("dropped/", chunksPerMove)).flatMap((id) => {
      const [store = "", hash = ""] = id.split("/");
      const index = state.get(`dropped/${id}`) as number | undefined;
      return index === undefined || index > floor
        ? []
        : [{ store: StoreId(store), hash: ChunkHash(hash) }];
    });
    await this.#propose({ kind: "forget-drops", floor, drops }, drops.length);
  }

  /** The next ids of a list, which begins anew at its end. */
  async #page(list: string, size: number): Promise<string[]> {
    const { state } = this.#ports;
    const ids: string[] = [];
    for await (const [key] of state.rows(list, this.#cursors.get(list))) {
      ids.push(key.slice(list.length));
      if (ids.length === size) break;
    }
    const last = ids.at(-1);
    if (last === undefined || ids.length < size) this.#cursors.delete(list);
    else this.#cursors.set(list, list + last);
    return ids;
  }

  async #propose(
    operation: Parameters<Coordination["proposeHere"]>[0],
    size: number,
  ): Promise<void> {
    if (size === 0) return;
    const outcome = await this.#ports.coordination.proposeHere(operation, undefined);
    const { kind } = operation;
    if (outcome.kind === "ok") this.#ports.log.debug("collected", { kind, size });
    else this.#ports.log.warn("collection-refused", { kind, code: outcome.code });
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#duty.close();
  }
}
