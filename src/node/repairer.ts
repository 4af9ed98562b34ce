/**
 * Re-replication, as the leader: chunks of a store whose node has been down for a while, or that was lost for good, get
 * new copies elsewhere, the most endangered first; at once where few are left. When nothing is left to repair, copies
 * are moved to where placement wants them (sdfs/catalog/balance.ts). All of it within a rate that the cluster sets.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { ChunkHash, NodeId, StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { planRepair, type RepairPlan, type StoreStatus } from "../sdfs/catalog/repair.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import { Balancer } from "./balancer.ts";
import { ChunkCopier } from "./chunk-copier.ts";
import type { ChunkService } from "./chunk-service.ts";
import type { CollectionTimes } from "./collector.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, sharedAbort } from "./deadline.ts";
import { candidateOf } from "./stores-of.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import type { Chunks, Peers } from "./ports.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

/** The list of chunks that have fewer copies than are wanted. */
const lacking = "lacking/";

/**
 * A node down for this long has its chunks copied elsewhere, in ms of log time: most restarts are over by then. Those of
 * which few copies are left do not wait (R4).
 */
const repairAfterMs = 10_000;
/** How often the leader looks, in ms. */
const sweepMs = 1_000;
/** Chunks looked at, and copies planned, in one sweep; the next goes on. */
const chunksPerSweep = 5_000;
const copiesPerSweep = 256;
/** How long telling of lost chunks may take, in ms. */
const reportMs = 30_000;
/** Chunks named in one command. */
const chunksPerCommand = 500;
/** Commands by which the chunks of one lost store are written off in one sweep. */
const pagesPerSweep = 10;

export interface RepairerPorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly state: Pick<StateStore, "get" | "rows">;
  readonly store: Pick<Chunks, "id">;
  readonly chunks: Pick<ChunkService, "copyHere">;
  readonly peers: Pick<Peers, "request">;
  readonly coordination: Pick<Coordination, "decide" | "proposeHere">;
  readonly driver: Pick<RaftDriver, "isReadyLeader">;
  readonly logClock: Pick<LogClock, "now">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

/** What repair has done since this node leads, and what it is at. */
export interface RepairProgress {
  /** Chunks copied, and their bytes. */
  readonly copied: number;
  readonly bytes: number;
  /** Copies that are being made or wait in the present plan. */
  readonly underWay: number;
  /** Chunks that wait for room on a disk. */
  readonly heldUp: number;
  /** Chunks that wanted copies where it looked last: at most 5,000 of each list at a time. */
  readonly wanting: number;
}

export class Repairer {
  readonly #ports: RepairerPorts;
  readonly #copier: ChunkCopier;
  readonly #balancer: Balancer;
  readonly #duty: LeaderDuty;
  readonly #closing = sharedAbort();
  #timer: Timer | undefined;
  /** Lost stores of which the catalog says nothing any more; none of them ever gets a chunk again. */
  readonly #writtenOff = new Set<StoreId>();
  /** Lists in which nothing was left to copy, until the members change, chunks are lost, or the list itself does. */
  readonly #settled = new Set<string>();
  /** How often the list of those that want copies had changed when it was begun to be read. */
  #lackingAt = -1;
  /** The last row of the page before the one that is being repaired, by list. */
  readonly #cursors = new Map<string, string>();
  #seen = "";
  /** In which lists chunks wait for room on a disk, and how many. */
  readonly #heldUp = new Map<string, number>();
  /** How many chunks of the page looked at last want copies, by list. */
  readonly #wanting = new Map<string, number>();

  constructor(times: Pick<CollectionTimes, "steadyMs" | "inventoryMs">, ports: RepairerPorts) {
    this.#ports = ports;
    this.#copier = new ChunkCopier(this.#closing.signal, ports);
    this.#balancer = new Balancer(times, { ...ports, copier: this.#copier });
    this.#duty = new LeaderDuty(
      { name: "repair" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(sweepMs, () => this.#duty.nudge());
  }

  async #work(): Promise<void> {
    const { machine } = this.#ports;
    for (const { id, state } of machine.stores.values())
      if (state === "lost" && !this.#writtenOff.has(id)) await this.#writeOff(id);
    const stores = this.#storeStatuses();
    const seen = stores
      .map(
        ({ store, live, absent, leaving, weight }) =>
          `${store}${live ? "+" : absent === true ? "~" : "-"}${leaving ? "!" : ""}${live && weight <= 0 ? "=" : ""}`,
      )
      .concat(String(machine.chunkLosses))
      .join();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#settled.clear();
      this.#cursors.clear();
      this.#heldUp.clear();
      this.#wanting.clear();
    }
    let isCalm = true;
    const absent = stores
      .filter(({ live, leaving }) => !live || leaving)
      .map(({ store }) => heldBy(store));
    this.#lookAgainAtLacking();
    for (const list of [lacking, ...absent]) {
      if (this.#settled.has(list)) continue;
      const { next, copies, wanting, heldUp } = await this.#plan(list, stores);
      this.#wanting.set(list, wanting);
      // A page is left behind only when nothing in it can be copied any more.
      if (copies.length > 0) {
        await this.#copier.carryOut(copies);
        isCalm = false;
        continue;
      }
      const waiting = (this.#cursors.has(list) ? (this.#heldUp.get(list) ?? 0) : 0) + heldUp;
      this.#heldUp.set(list, waiting);
      if (next !== undefined) this.#cursors.set(list, next);
      else this.#cursors.delete(list);
      if (next === undefined && waiting === 0) this.#settled.add(list);
      isCalm &&= next === undefined && waiting === 0;
    }
    if (isCalm) await this.#balancer.step(stores.filter(({ live, leaving }) => live && !leaving));
  }

  /**
   * Chunks come to want copies while the members stay. In a cluster of fewer nodes than copies every chunk does, for ever, so
   * the list is read again only when it has changed since its beginning was.
   */
  #lookAgainAtLacking(): void {
    const { lackingChanges } = this.#ports.machine;
    if (this.#lackingAt !== lackingChanges) this.#settled.delete(lacking);
    if (!this.#settled.has(lacking) && !this.#cursors.has(lacking))
      this.#lackingAt = lackingChanges;
  }

  /** What there is to tell, while this node leads. */
  get progress(): RepairProgress {
    const sum = (counts: ReadonlyMap<string, number>): number =>
      [...counts.values()].reduce((all, each) => all + each, 0);
    return { ...this.#copier.done, wanting: sum(this.#wanting), heldUp: sum(this.#heldUp) };
  }

  /**
   * What a store had that is lost for good is written off, so that its chunks are counted by the copies that there are:
   * else one that loses another copy later would seem to have enough.
   */
  async #writeOff(store: StoreId): Promise<void> {
    const { state, coordination } = this.#ports;
    for (let page = 0; page < pagesPerSweep; page += 1) {
      const chunks: string[] = [];
      for await (const [key] of state.rows(heldBy(store))) {
        chunks.push(key.slice(key.lastIndexOf("/") + 1));
        if (chunks.length === chunksPerCommand) break;
      }
      if (chunks.length === 0) {
        this.#writtenOff.add(store);
        return;
      }
      await coordination.proposeHere({ kind: "lose-chunks", store, chunks }, undefined);
    }
  }

  /** Whether nothing that this store holds wants another copy elsewhere that could be made: its node may go. */
  isDispensable(store: StoreId): boolean {
    return this.#settled.has(heldBy(store));
  }

  #storeStatuses(): StoreStatus[] {
    const { machine, logClock } = this.#ports;
    const members = new Map([...machine.members.values()].map((m) => [m.store, m]));
    return [...machine.stores.values()].map(({ id, node }) => {
      const member = members.get(id);
      const live = member?.state === "up";
      const absent = member?.state === "down" && logClock.now() - member.since < repairAfterMs;
      const leaving = member?.leaving === true;
      if (member === undefined) return { store: id, node, weight: 0, live, absent, leaving };
      const place = candidateOf(machine, member);
      return { ...place, weight: live ? place.weight : 0, live, absent, leaving };
    });
  }

  /** What to copy of a page of a list of chunks: those of an absent store, or those that want copies. */
  async #plan(
    list: string,
    stores: readonly StoreStatus[],
  ): Promise<RepairPlan & { readonly next: string | undefined }> {
    const { state } = this.#ports;
    const most = Math.min(
      replicationFactor,
      stores.filter(({ live, leaving }) => live && !leaving).length,
    );
    const endangered: ChunkRecord[] = [];
    let scanned = 0;
    let next: string | undefined;
    for await (const [key, value] of state.rows(list, this.#cursors.get(list))) {
      scanned += 1;
      // In a cluster of fewer nodes than copies every chunk wants more, and none can have them.
      const hopeless = list === lacking && (value as number) >= most;
      const record = hopeless
        ? undefined
        : state.get(`chunk/${key.slice(key.lastIndexOf("/") + 1)}`);
      if (record !== undefined) endangered.push(record as ChunkRecord);
      if (scanned < chunksPerSweep) continue;
      next = key;
      break;
    }
    const plan = { copies: replicationFactor, limit: copiesPerSweep };
    return { next, ...planRepair(endangered, stores, plan) };
  }

  /** These chunks are not in this store any more. */
  async reportLost(lost: readonly ChunkHash[]): Promise<void> {
    const { runtime } = this.#ports;
    const { signal } = this.#closing;
    for (let i = 0; i < lost.length; i += chunksPerCommand) {
      using limit = deadline(runtime, "reporting lost chunks", reportMs, signal);
      await this.#ports.coordination.decide(
        {
          kind: "lose-chunks",
          store: this.#ports.store.id,
          chunks: lost.slice(i, i + chunksPerCommand),
        },
        { key: undefined, signal: limit },
      );
    }
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#closing.abort();
    await this.#duty.close();
  }
}

/** The list of what a store should hold. */
function heldBy(store: StoreId): string {
  return `held/${store}/`;
}
