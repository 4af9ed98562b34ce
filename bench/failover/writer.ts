/**
 * A client that writes without a pause, one write after the other, through one node. A write is the cheapest mutation
 * that there is: another batch size for a paused job, one small command in the log and no chunk anywhere, under an
 * idempotency key of its own, acknowledged when committed and readable.
 */
import type { IDunnoClient } from "../../src/client/client.ts";
import { asIDunnoError, type IDunnoError } from "../../src/lib/errors.ts";

/** Batch sizes go round: each write changes something. */
const batchSizes = 1_000;

export class Writer implements AsyncDisposable {
  readonly #client: IDunnoClient;
  readonly #job: string;
  #written = 0;
  #lane: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #failure: IDunnoError | undefined;

  constructor(client: IDunnoClient, job: string) {
    this.#client = client;
    this.#job = job;
  }

  /** Writes until {@link next} is called. Resolves after the first `count` acknowledgements. */
  async start(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.#write();
    const lane = new AbortController();
    this.#lane = lane;
    // Its failure is thrown by next() and does not end the process meanwhile.
    this.#running = this.#writeOn(lane.signal).catch((error: unknown) => {
      this.#failure = asIDunnoError(error);
    });
  }

  /** Gives up the write under way and sends one more at once. Resolves when that one is acknowledged. */
  async next(): Promise<void> {
    this.#lane?.abort();
    await this.#write();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #writeOn(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) await this.#write(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #write(signal?: AbortSignal): Promise<void> {
    this.#written += 1;
    const batchSize = 1 + (this.#written % batchSizes);
    await this.#client.setJob(this.#job, { batchSize }, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lane?.abort();
    await this.#running;
  }
}
