/**
 * Collection, as the leader: looks through the lists of what may be forgotten, a page of each at a time, and proposes it.
 * Apply decides what of it really goes (sdfs/catalog/collection.ts, G1 and G2); nodes then delete the files (sweeper.ts).
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import { ChunkHash, StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { pinnedAmong } from "../machine/pins.ts";
import { settingOf } from "../machine/settings.ts";
import { hasEnded } from "../scheduler/rows.ts";
import type { JobRecord } from "../scheduler/types.ts";
import { isDue, versionsPerCollect } from "../sdfs/catalog/collection.ts";
import { chunksPerMove } from "../sdfs/catalog/replicas.ts";
import type { RemovedRecord } from "../sdfs/catalog/types.ts";
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
  /** How long nothing must have changed before chunks are moved to where they belong, in ms. */
  readonly steadyMs: number;
  /** How often a node compares its whole store with the catalog, and the leader all chunks with their places, in ms. */
  readonly inventoryMs: number;
}

export const defaultCollection: CollectionTimes = {
  sweepMs: 5_000,
  garbageMs: 60_000,
  dropMs: 24 * 3_600_000,
  orphanMs: 24 * 3_600_000,
  steadyMs: 60_000,
  inventoryMs: 6 * 3_600_000,
};

/** Chunks whose beginning as garbage is remembered; others are looked at when these are gone. */
const garbageKept = 20_000;
/** Rows of a list looked at in one sweep; the next goes on. */
const rowsPerSweep = 5_000;
/** Marks of log index and time: enough to tell one from a day ago by a quarter of an hour. */
const marksKept = 100;

export interface CollectorPorts {
  readonly machine: Machine;
  readonly state: Pick<StateStore, "appliedIndex" | "rows">;
  readonly coordination: Pick<Coordination, "proposeHere">;
  readonly driver: Pick<RaftDriver, "isReadyLeader">;
  readonly logClock: Pick<LogClock, "now">;
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
  /** Since when chunks have been nobody's, in log time, as of the last time that the list was walked through. */
  #garbage: ReadonlyMap<string, number> = new Map();
  /** The same of this time: whom somebody has named again is not in it any more. */
  #garbageAgain = new Map<string, number>();
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
    const { machine, logClock } = this.#ports;
    const unfinished = [...machine.jobs.values()].filter(({ status }) => !hasEnded(status));
    const context = {
      now: logClock.now(),
      restorableMs: 1_000 * Number(settingOf(machine.settings, "sdfs-undelete-s")),
      oldestResolution: unfinished.reduce(
        (least, job) => Math.min(least, job.catalogIndex),
        Infinity,
      ),
    };
    const due = new Map<string, RemovedRecord>();
    const seen = await this.#page("removed/", versionsPerCollect, (id, row) => {
      const isIt = isDue(id, row as RemovedRecord, context);
      if (isIt) due.set(id, row as RemovedRecord);
      return isIt;
    });
    const ids = seen.length === 0 ? [] : this.#unpinned(due, unfinished);
    await this.#propose({ kind: "collect-versions", ids }, ids.length);
    const chunks = await this.#page("garbage/", chunksPerMove, (hash) => this.#isRipe(hash));
    await this.#propose({ kind: "collect-chunks", chunks }, chunks.length);
    await this.#forgetDrops();
    // What was as much as a command takes may not have been all.
    if (seen.length === versionsPerCollect || chunks.length === chunksPerMove) this.#duty.nudge();
  }

  /** Those of which nothing is pinned: apply would pass over the others, again and again for as long as a model is kept. */
  #unpinned(due: ReadonlyMap<string, RemovedRecord>, unfinished: readonly JobRecord[]): string[] {
    const { models, olderModels } = this.#ports.machine;
    const named = new Set([...due.values()].flatMap((row) => row.chunks.map(({ hash }) => hash)));
    const pinned = pinnedAmong(named, [...models.values(), ...olderModels.values()], unfinished);
    return [...due]
      .filter(([, row]) => !row.chunks.some(({ hash }) => pinned.has(hash)))
      .map(([id]) => id);
  }

  /** Whether a chunk has been nobody's for long enough, as far as this leader has seen. */
  #isRipe(hash: string): boolean {
    const now = this.#ports.logClock.now();
    const since = this.#garbage.get(hash) ?? now;
    if (this.#garbageAgain.size < garbageKept) this.#garbageAgain.set(hash, since);
    return now - since >= this.#times.garbageMs;
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
    const ids = await this.#page(
      "dropped/",
      chunksPerMove,
      (_, index) => (index as number) <= floor,
    );
    const drops = ids.map((id) => {
      const [store = "", hash = ""] = id.split("/");
      return { store: StoreId(store), hash: ChunkHash(hash) };
    });
    await this.#propose({ kind: "forget-drops", floor, drops }, drops.length);
  }

  /** The next ids of a list of which something holds, at most so many; the list begins anew at its end. */
  async #page(
    list: string,
    most: number,
    holds: (id: string, row: unknown) => boolean,
  ): Promise<string[]> {
    const ids: string[] = [];
    let scanned = 0;
    for await (const [key, row] of this.#ports.state.rows(list, this.#cursors.get(list))) {
      const id = key.slice(list.length);
      if (holds(id, row)) ids.push(id);
      scanned += 1;
      if (ids.length < most && scanned < rowsPerSweep) continue;
      this.#cursors.set(list, key);
      return ids;
    }
    this.#cursors.delete(list);
    if (list === "garbage/") [this.#garbage, this.#garbageAgain] = [this.#garbageAgain, new Map()];
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
