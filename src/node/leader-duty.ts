/**
 * A duty of whoever leads: a loop that runs once after each nudge, never twice at a time, and only while this node
 * leads. Failures are logged and tried again at the next nudge; what was done half is in the replicated state.
 */
import type { Logger } from "./log.ts";

export class LeaderDuty {
  readonly #name: string;
  readonly #leads: () => boolean;
  readonly #work: () => Promise<void>;
  readonly #log: Logger;
  #nudged = false;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    options: { readonly name: string },
    ports: {
      readonly leads: () => boolean;
      readonly work: () => Promise<void>;
      readonly log: Logger;
    },
  ) {
    this.#name = options.name;
    this.#leads = ports.leads;
    this.#work = ports.work;
    this.#log = ports.log;
  }

  nudge(): void {
    this.#nudged = true;
    if (this.#closed || this.#running !== undefined || !this.#leads()) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      // One turn later, so that everything that happened in this one is seen at once.
      await new Promise<void>((resolve) => setImmediate(resolve));
      while (this.#nudged && !this.#closed && this.#leads()) {
        this.#nudged = false;
        await this.#work();
      }
    } catch (error) {
      this.#log.warn("duty-failed", { duty: this.#name, error: String(error) });
    } finally {
      this.#running = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}
