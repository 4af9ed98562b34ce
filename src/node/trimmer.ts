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
import { beyond } from "../sdfs/catalog/balance.ts";
import type { ChunkService } from "./chunk-service.ts";
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

/** Chunks of which the copies are proven at once. */
const provenAtOnce = 4;

/** A copy that is one too many, and the stores whose copies are to stay. */
interface Extra {
  readonly store: StoreId;
  readonly hash: ChunkHash;
  readonly staying: readonly StoreId[];
}

export interface TrimmerPorts {
  readonly chunks: ChunkService;
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
    const candidates = new Map(
      members.map((member) => [member.store, candidateOf(machine, member)]),
    );
    const extra: Extra[] = [];
    let scanned = 0;
    let next = "";
    for await (const [key] of state.rows(list, this.#cursor)) {
      const hash = ChunkHash(key.slice(list.length));
      const chunk = state.get(`chunk/${hash}`) as ChunkRecord | undefined;
      const holders = (chunk?.stores ?? []).flatMap((store) => candidates.get(store) ?? []);
      const going = beyond(hash, holders, replicationFactor);
      const staying = holders.map(({ store }) => store).filter((store) => !going.includes(store));
      for (const store of going) extra.push({ store, hash, staying });
      scanned += 1;
      if (scanned < chunksPerSweep && extra.length < chunksPerMove) continue;
      next = key;
      break;
    }
    this.#cursor = next;
    const proven = await this.#proven(extra);
    for (const [store, some] of groupBy(proven, (each) => each.store)) {
      const chunks = some.slice(0, chunksPerMove).map(({ hash }) => hash);
      await coordination.proposeHere({ kind: "release-chunks", store, chunks }, undefined);
    }
    if (extra.length > 0) log.info("copies-released", { copies: proven.length });
    if (extra.length >= chunksPerMove) this.#duty.nudge();
  }

  /**
   * Those of which the copies that are to stay are whole: a node that was away may have brought back a damaged one, and
   * so far nobody has read it. Who finds damage tells it.
   */
  async #proven(extra: readonly Extra[]): Promise<readonly Extra[]> {
    const queue = [...extra];
    const proven: Extra[] = [];
    const lane = async (): Promise<void> => {
      for (let each = queue.shift(); each !== undefined; each = queue.shift()) {
        const { hash, staying } = each;
        const whole = await Promise.all(
          staying.map(async (store) => this.#ports.chunks.isWhole(store, hash)),
        );
        if (whole.every(Boolean)) proven.push(each);
      }
    };
    await Promise.all(Array.from({ length: provenAtOnce }, lane));
    return proven;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#duty.close();
  }
}
