/**
 * Gives up copies beyond the wanted ones, as the leader: repair made them while a node was away that came back. A page of
 * those chunks at a time; apply sees to it that enough copies stay (sdfs/catalog/replicas.ts, H2), and the node that has
 * one too many then deletes the file (sweeper.ts).
 */
import { groupBy } from "../lib/group-by.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import { ChunkHash, type StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { takesMore } from "../machine/tables.ts";
import { candidateOf } from "./stores-of.ts";
import { type Candidate, place } from "../sdfs/catalog/placement.ts";
import { chunksPerMove } from "../sdfs/catalog/replicas.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import type { Coordination } from "./coordination.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks that have more copies than are wanted. */
const list = "surplus/";
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
    const { machine, state, coordination, log } = this.#ports;
    const members = [...machine.members.values()].filter(takesMore);
    const candidates = new Map(members.map((member) => [member.store, candidateOf(member)]));
    const extra: { readonly store: StoreId; readonly hash: ChunkHash }[] = [];
    let scanned = 0;
    let next = "";
    for await (const [key] of state.rows(list, this.#cursor)) {
      const hash = ChunkHash(key.slice(list.length));
      const chunk = state.get(`chunk/${hash}`) as ChunkRecord | undefined;
      for (const store of beyond(hash, chunk?.stores ?? [], candidates))
        extra.push({ store, hash });
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
    if (extra.length >= chunksPerMove) this.#duty.nudge();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#duty.close();
  }
}

/** The stores that placement would choose last, of those that count: all beyond the wanted copies. */
function beyond(
  hash: ChunkHash,
  stores: readonly StoreId[],
  candidates: ReadonlyMap<StoreId, Candidate>,
): readonly StoreId[] {
  const holders = stores.flatMap((store) => candidates.get(store) ?? []);
  if (holders.length <= replicationFactor) return [];
  const kept = new Set(place(hash, holders, replicationFactor));
  return holders.map(({ store }) => store).filter((store) => !kept.has(store));
}
