/**
 * Counts, as the leader, what lay under a prefix when it got a quota. The files as they are now, less what the quota says
 * has changed since it was made, both seen at one moment: commands that come while the files are read change nothing of
 * it, and every leader that counts finds the same.
 */
import type { Runtime } from "../lib/runtime.ts";
import type { Machine } from "../machine/machine.ts";
import { amountOf, quotaId } from "../sdfs/catalog/quotas.ts";
import type { FileRecord, QuotaRecord } from "../sdfs/catalog/types.ts";
import type { Coordination } from "./coordination.ts";
import { pause } from "./deadline.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Pause before trying again, in ms. */
const againMs = 200;
/** Rows read between two looks at whether this node still leads. */
const lookEvery = 1_000;

export interface QuotaCounterPorts {
  readonly machine: Pick<Machine, "quotas">;
  readonly state: Pick<StateStore, "rows">;
  readonly coordination: Pick<Coordination, "proposeHere">;
  readonly driver: Pick<RaftDriver, "isReadyLeader">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class QuotaCounter {
  readonly #ports: QuotaCounterPorts;
  readonly #duty: LeaderDuty;
  readonly #closing = new AbortController();

  constructor(ports: QuotaCounterPorts) {
    this.#ports = ports;
    this.#duty = new LeaderDuty(
      { name: "count-quotas" },
      { ...ports, leads: () => this.#leads, work: async () => this.#work() },
    );
  }

  get #leads(): boolean {
    return !this.#closing.signal.aborted && this.#ports.driver.isReadyLeader;
  }

  nudge(): void {
    for (const { base } of this.#ports.machine.quotas.values())
      if (base === undefined) {
        this.#duty.nudge();
        return;
      }
  }

  async #work(): Promise<void> {
    const { machine, coordination, runtime, log } = this.#ports;
    const { signal } = this.#closing;
    for (const quota of [...machine.quotas.values()].filter(({ base }) => base === undefined)) {
      const { prefix, made } = quota;
      try {
        const base = await this.#count(quota);
        if (base === undefined) continue;
        await coordination.proposeHere({ kind: "count-quota", prefix, made, ...base }, undefined);
        log.info("quota-counted", { prefix, ...base });
      } catch (error) {
        if (signal.aborted) return;
        log.warn("quota-not-counted", { prefix, error: String(error) });
        await pause(runtime, againMs, signal);
      }
    }
    this.nudge();
  }

  /** undefined: the quota was taken back or counted meanwhile, or this node leads no more. */
  async #count({
    prefix,
    made,
  }: QuotaRecord): Promise<{ readonly bytes: number; readonly files: number } | undefined> {
    const { machine, state } = this.#ports;
    const rows = state.rows(`file/${prefix}`);
    // One moment: the first step takes the snapshot, before it waits for anything.
    const first = rows.next();
    const quota = machine.quotas.get(quotaId(prefix));
    try {
      let bytes = 0;
      let files = 0;
      let seen = 0;
      for (let step = await first; step.done !== true; step = await rows.next()) {
        const [, row] = step.value;
        const amount = amountOf(row as FileRecord);
        bytes += amount.bytes;
        files += amount.files;
        seen += 1;
        if (seen % lookEvery === 0 && !this.#leads) return undefined;
      }
      if (quota?.made !== made || quota.base !== undefined || !this.#leads) return undefined;
      return { bytes: bytes - quota.delta.bytes, files: files - quota.delta.files };
    } finally {
      await rows.return(undefined);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#duty.close();
  }
}
