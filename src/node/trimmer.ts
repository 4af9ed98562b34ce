/**
 * Gives up copies beyond the wanted ones, as the leader: repair made them while a node was away that came back. A page of
 * the catalog at a time; apply sees to it that enough copies stay (sdfs/catalog/replicas.ts, H2), and the node that has
 * one too many then deletes the file (sweeper.ts).
 */
import { groupBy } from "../lib/group-by.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { ChunkHash, StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { takesMore } from "../machine/tables.ts";
import { type Candidate, place } from "../sdfs/catalog/placement.ts";
import { chunksPerMove } from "../sdfs/catalog/replicas.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import type { Coordination } from "./coordination.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks looked at in one sweep; the next goes on. */
const chunksPerSweep = 2_000;

export interface TrimmerPorts {
  readonly machine: Machine;
  readonly state: StateStore;
  readonly coordination: Coordination;
  readonly driver: RaftDriver;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Trimmer {
  readonly #sweepMs: number;
  readonly #ports: TrimmerPorts;
  readonly #duty: LeaderDuty;
  #timer: Timer | undefined;
  /** The last row of the page before. */
  #cursor = "";

  constructor({ sweepMs }: { readonly sweepMs: number }, ports: TrimmerPorts) {
    this.#sweepMs = sweepMs;
    this.#ports = ports;
    this.#duty = new LeaderDuty(
      { name: "trim" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(this.#sweepMs, () => this.#duty.nudge());
  }

  async #work(): Promise<void> {
    const { state, coordination, log } = this.#ports;
    const candidates = this.#candidates();
    const extra: { readonly store: StoreId; readonly hash: ChunkHash }[] = [];
    let scanned = 0;
    let next = "";
    for await (const [key, row] of state.rows("chunk/", this.#cursor)) {
      const { hash, stores } = row as ChunkRecord;
      if (stores.length > replicationFactor)
        for (const store of surplus(hash, stores, candidates)) extra.push({ store, hash });
      scanned += 1;
      if (scanned < chunksPerSweep && extra.length < chunksPerMove) continue;
      next = key;
      break;
    }
    this.#cursor = next;
    for (const [store, some] of groupBy(extra, (each) => each.store)) {
      const chunks = some.slice(0, chunksPerMove).map(({ hash }) => hash);
      await coordination.proposeHere({ kind: "release-chunks", store, chunks }, undefined);
    }
    if (extra.length > 0) log.info("copies-released", { copies: extra.length });
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#duty.close();
  }

  /** Stores on which copies count. */
  #candidates(): ReadonlyMap<StoreId, Candidate> {
    const candidates = [...this.#ports.machine.members.values()]
      .filter(takesMore)
      .map(({ node, store, labels }) => {
        const domain = labels.find(([key]) => key === "zone")?.[1];
        return [store, { node, store, weight: 1, domain }] as const;
      });
    return new Map(candidates);
  }
}

/** The stores that placement would choose last, of those that count: all beyond the wanted copies. */
function surplus(
  hash: ChunkHash,
  stores: readonly StoreId[],
  candidates: ReadonlyMap<StoreId, Candidate>,
): readonly StoreId[] {
  const holders = stores.flatMap((store) => candidates.get(store) ?? []);
  if (holders.length <= replicationFactor) return [];
  const kept = new Set(place(hash, holders, replicationFactor));
  return holders.map(({ store }) => store).filter((store) => !kept.has(store));
}
