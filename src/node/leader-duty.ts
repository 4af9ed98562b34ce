/**
 * A duty of whoever leads: a loop that runs once after each nudge, never twice at a time, and only while this node
 * leads. Failures are logged and tried again at the next nudge; what was done half is in the replicated state.
 */
import type { Runtime } from "../lib/runtime.ts";
import { nextTurn } from "./deadline.ts";
import type { Logger } from "./log.ts";

export interface LeaderDutyPorts {
  readonly leads: () => boolean;
  readonly work: () => Promise<void>;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class LeaderDuty {
  readonly #name: string;
  readonly #ports: LeaderDutyPorts;
  #nudged = false;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: { readonly name: string }, ports: LeaderDutyPorts) {
    this.#name = options.name;
    this.#ports = ports;
  }

  nudge(): void {
    this.#nudged = true;
    if (this.#closed || this.#running !== undefined || !this.#ports.leads()) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      // One turn later, so that everything that happened in this one is seen at once.
      await nextTurn(this.#ports.runtime);
      while (this.#nudged && !this.#closed && this.#ports.leads()) {
        this.#nudged = false;
        await this.#ports.work();
      }
    } catch (error) {
      this.#ports.log.warn("duty-failed", { duty: this.#name, error: String(error) });
    } finally {
      this.#running = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}
