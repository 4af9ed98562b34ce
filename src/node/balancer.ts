/**
 * Moves chunks to where placement wants them (sdfs/catalog/balance.ts), as the leader, when nothing is left to repair:
 * looks through all chunks, a page at a time, after the stores or their room have changed, until a look finds nothing; and
 * now and then, since a put may have found a node too slow and taken another.
 */
import type { Runtime } from "../lib/runtime.ts";
import { planMoves } from "../sdfs/catalog/balance.ts";
import type { Candidate } from "../sdfs/catalog/placement.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import type { ChunkCopier } from "./chunk-copier.ts";
import type { CollectionTimes } from "./collector.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks looked at in one step, and scores of stores that take: some 10 ms of work. */
const chunksPerStep = 500;
const scoresPerStep = 5_000;
/** At least so many, however many stores there are. */
const leastPerStep = 20;

type BalancerTimes = Pick<CollectionTimes, "steadyMs" | "inventoryMs">;

export interface BalancerPorts {
  readonly state: Pick<StateStore, "rows">;
  readonly copier: Pick<ChunkCopier, "carryOut">;
  readonly runtime: Runtime;
}

export class Balancer {
  readonly #times: BalancerTimes;
  readonly #ports: BalancerPorts;
  /** The stores and their room. */
  #seen = "";
  /** When they last changed, or the last look at all chunks ended, in ms of the runtime. */
  #since = 0;
  /** The last row of the page before. */
  #cursor = "";
  /** Moves planned in this look at all chunks. */
  #moved = 0;
  #isDone = false;

  constructor(times: BalancerTimes, ports: BalancerPorts) {
    this.#times = times;
    this.#ports = ports;
  }

  /** One page. @param stores live ones that are to stay */
  async step(stores: readonly Candidate[]): Promise<void> {
    const { runtime, copier } = this.#ports;
    const seen = stores.map(({ store, weight }) => `${store}=${weight}`).join();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#begin();
      this.#isDone = false;
    }
    // Rooms change one after the other, as disks fill: nothing is moved to and fro meanwhile.
    const { steadyMs, inventoryMs } = this.#times;
    if (runtime.now() - this.#since < (this.#isDone ? inventoryMs : steadyMs)) return;
    const size = Math.floor(scoresPerStep / Math.max(1, stores.length));
    const limit = Math.max(leastPerStep, Math.min(chunksPerStep, size));
    const page = await this.#page(limit);
    const moves = planMoves(page, stores, replicationFactor);
    this.#moved += moves.length;
    if (moves.length > 0) await copier.carryOut(moves);
    const last = page.at(-1);
    if (last !== undefined && page.length === limit) {
      this.#cursor = `chunk/${last.hash}`;
      return;
    }
    // What was moved may want another move, or has failed.
    this.#isDone = this.#moved === 0;
    this.#begin();
  }

  #begin(): void {
    this.#since = this.#ports.runtime.now();
    this.#cursor = "";
    this.#moved = 0;
  }

  async #page(limit: number): Promise<ChunkRecord[]> {
    const page: ChunkRecord[] = [];
    for await (const [, value] of this.#ports.state.rows("chunk/", this.#cursor)) {
      page.push(value as ChunkRecord);
      if (page.length === limit) break;
    }
    return page;
  }
}
