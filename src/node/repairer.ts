/**
 * Re-replication, as the leader: chunks of a store whose node has been down for a while, or that was lost for good, get
 * new copies elsewhere, the most endangered first; at once where few are left.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { ChunkHash, NodeId, StoreId } from "../lib/types.ts";
import { groupBy } from "../lib/group-by.ts";
import type { Machine } from "../machine/machine.ts";
import { planRepair, type RepairCopy, type StoreStatus } from "../sdfs/catalog/repair.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import type { ChunkService } from "./chunk-service.ts";
import { parseIndex } from "./control.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, sharedAbort } from "./deadline.ts";
import { candidateOf, nodeOf } from "./stores-of.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import type { Chunks, Peers } from "./ports.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

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
/** Copies under way at once over the whole cluster: with 4 MiB each, well below what a disk and a network give. */
const copiesAtOnce = 8;
/** How long one copy may take, in ms. */
const copyMs = 30_000;
/** Chunks named in one command. */
const chunksPerCommand = 500;
/** Commands by which the chunks of one lost store are written off in one sweep. */
const pagesPerSweep = 10;

export interface RepairerPorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly state: StateStore;
  readonly store: Chunks;
  readonly chunks: ChunkService;
  readonly peers: Peers;
  readonly coordination: Coordination;
  readonly driver: RaftDriver;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Repairer {
  readonly #ports: RepairerPorts;
  readonly #duty: LeaderDuty;
  readonly #closing = sharedAbort();
  #timer: Timer | undefined;
  /** Lost stores of which the catalog says nothing any more; none of them ever gets a chunk again. */
  readonly #writtenOff = new Set<StoreId>();
  /** Lists in which nothing was left to copy, until the members change or chunks are lost. */
  readonly #settled = new Set<string>();
  /** The last row of the page before the one that is being repaired, by list. */
  readonly #cursors = new Map<string, string>();
  #seen = "";

  constructor(ports: RepairerPorts) {
    this.#ports = ports;
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
        ({ store, live, absent, leaving }) =>
          `${store}${live ? "+" : absent === true ? "~" : "-"}${leaving ? "!" : ""}`,
      )
      .concat(String(machine.chunkLosses))
      .join();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#settled.clear();
      this.#cursors.clear();
    }
    const absent = stores
      .filter(({ live, leaving }) => !live || leaving)
      .map(({ store }) => heldBy(store));
    // Chunks that want copies change while the members stay, so that list is never settled.
    for (const list of ["lacking/", ...absent]) {
      if (this.#settled.has(list)) continue;
      const { next, copies } = await this.#plan(list, stores);
      // A page is left behind only when nothing in it can be copied any more.
      if (copies.length > 0) await this.#carryOut(copies);
      else if (next !== undefined) this.#cursors.set(list, next);
      else if (list === "lacking/") this.#cursors.delete(list);
      else this.#settled.add(list);
    }
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
      const place = member === undefined ? { store: id, node } : candidateOf(member);
      return { ...place, weight: live ? 1 : 0, live, absent, leaving };
    });
  }

  /** What to copy of a page of a list of chunks: those of an absent store, or those that want copies. */
  async #plan(
    list: string,
    stores: readonly StoreStatus[],
  ): Promise<{ readonly next: string | undefined; readonly copies: readonly RepairCopy[] }> {
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
      const hopeless = list === "lacking/" && (value as number) >= most;
      const record = hopeless
        ? undefined
        : state.get(`chunk/${key.slice(key.lastIndexOf("/") + 1)}`);
      if (record !== undefined) endangered.push(record as ChunkRecord);
      if (scanned < chunksPerSweep) continue;
      next = key;
      break;
    }
    const plan = { copies: replicationFactor, limit: copiesPerSweep };
    return { next, copies: planRepair(endangered, stores, plan) };
  }

  async #carryOut(copies: readonly RepairCopy[]): Promise<void> {
    const { coordination, log } = this.#ports;
    const queue = [...copies];
    const done: { readonly store: StoreId; readonly hash: ChunkHash; readonly index: number }[] =
      [];
    await Promise.all(
      Array.from({ length: copiesAtOnce }, async () => {
        for (let copy = queue.shift(); copy !== undefined; copy = queue.shift()) {
          const index = await this.#copy(copy);
          if (index !== undefined) done.push({ store: copy.to, hash: copy.hash, index });
        }
      }),
    );
    for (const [store, placed] of groupBy(done, (each) => each.store)) {
      const chunks = placed.map(({ hash, index }) => ({ hash, index }));
      await coordination.proposeHere({ kind: "place-chunks", store, chunks }, undefined);
    }
    log.info("chunks-repaired", { planned: copies.length, copied: done.length });
  }

  async #copy({ hash, from, to }: RepairCopy): Promise<number | undefined> {
    const { machine, peers, self, chunks, runtime, log } = this.#ports;
    const target = nodeOf(machine, to);
    const sources = from.flatMap((store) => nodeOf(machine, store) ?? []);
    if (target === undefined) return undefined;
    using limit = deadline(runtime, `copying ${hash}`, copyMs, this.#closing.signal);
    try {
      if (target === self) return await chunks.copyHere(hash, sources, limit);
      const reply = await peers.request(
        target,
        "control",
        { kind: "copyChunk", hash, from: sources },
        { timeoutMs: copyMs, signal: limit },
      );
      return parseIndex(reply.head).index;
    } catch (error) {
      log.warn("chunk-copy-failed", { hash, to: target, error: String(error) });
      return undefined;
    }
  }

  /** These chunks are not in this store any more. */
  async reportLost(lost: readonly ChunkHash[]): Promise<void> {
    const { runtime } = this.#ports;
    const { signal } = this.#closing;
    for (let i = 0; i < lost.length; i += chunksPerCommand) {
      using limit = deadline(runtime, "reporting lost chunks", copyMs, signal);
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
