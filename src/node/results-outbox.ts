/**
 * Finished queries on their way to a leader: kept until one has committed them, whoever leads by then (W2). Everything
 * that is ready goes in one request; one request is under way at a time.
 */
import { asIDunnoError } from "../lib/errors.ts";
import { completionBytes } from "../scheduler/results.ts";
import type { Completion } from "../scheduler/types.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { NodeId } from "../lib/types.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";

/** Queries in one request, and their bytes, far below a frame's bound: the leader commits them together. */
const perRequest = 128;
const requestBytes = 1024 * 1024;
/** Pause after a failed request, in ms: an election takes some hundred. */
const retryMs = 20;

export interface OutboxPorts {
  /** Who leads, as far as this node knows. */
  readonly leader: () => NodeId | undefined;
  /** Hands completions to a leader; resolves when they are committed. */
  readonly deliver: (
    leader: NodeId,
    completions: readonly Completion[],
    signal: AbortSignal,
  ) => Promise<void>;
  /** They need not be kept any longer. */
  readonly delivered: (completions: readonly Completion[]) => void;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class ResultsOutbox {
  readonly #ports: OutboxPorts;
  readonly #closing = sharedAbort();
  #waiting: Completion[] = [];
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #nudge = sharedAbort();

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
  }

  add(completion: Completion): void {
    this.#waiting.push(completion);
    if (!this.#busy) this.#running = this.#run();
  }

  /** The leader changed: ask the new one at once. */
  onLeaderChange(): void {
    const before = this.#nudge;
    this.#nudge = sharedAbort();
    before.abort();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    const { signal } = this.#closing;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const nudge = this.#nudge.signal;
      const any = AbortSignal.any([signal, nudge]);
      const leader = this.#ports.leader();
      const batch = this.#nextBatch();
      try {
        if (leader === undefined) {
          await pause(this.#ports.runtime, 1_000, any);
          continue;
        }
        await this.#ports.deliver(leader, batch, any);
        this.#waiting = this.#waiting.slice(batch.length);
        this.#ports.delivered(batch);
      } catch (error) {
        if (signal.aborted) break;
        this.#ports.log.debug("results-not-delivered", {
          leader,
          queries: batch.length,
          code: asIDunnoError(error).code,
        });
        if (!nudge.aborted) await pause(this.#ports.runtime, retryMs, any);
      }
    }
    this.#busy = false;
  }

  /** At least one, then as many as a request may carry. */
  #nextBatch(): Completion[] {
    let bytes = 0;
    const batch: Completion[] = [];
    for (const completion of this.#waiting) {
      bytes += completionBytes(completion);
      if (batch.length > 0 && (batch.length >= perRequest || bytes > requestBytes)) break;
      batch.push(completion);
    }
    return batch;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}
