/** Our control or bulk lane to one peer: dialled when first needed, kept, and dialled anew after it broke. */
import { hasCode, IDunnoError } from "../lib/errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { Connection, type Reply } from "./connection.ts";
import type { Dialled } from "./dial.ts";
import type { NetLimits } from "./limits.ts";
import { type Patience, within } from "./within.ts";

export interface RequestOptions extends Patience {
  /** Not copied: leave it alone until the request has ended. */
  readonly body?: Uint8Array;
}

export interface RequestLaneOptions {
  /** For errors: `the bulk lane to n2`. */
  readonly name: string;
  /** For errors: `n2 (10.0.0.2:7101)`. */
  readonly peer: string;
  readonly limits: NetLimits;
  readonly runtime: Pick<Runtime, "every">;
  readonly dial: (signal: AbortSignal) => Promise<Dialled>;
}

interface Up {
  readonly connection: Connection;
  readonly boot: string;
}

export class RequestLane {
  readonly #options: RequestLaneOptions;
  readonly #stop = new AbortController();
  /** Shared by all who wait for the same dial. */
  #dialling: Promise<Up> | undefined;
  #up: Up | undefined;

  constructor(options: RequestLaneOptions) {
    this.#options = options;
  }

  /** @throws IDunnoError UNREACHABLE when there is no connection or it broke; what the peer says; see Connection */
  async request(
    head: unknown,
    { body, timeoutMs, signal }: RequestOptions,
  ): Promise<Required<Reply>> {
    const startedAt = performance.now();
    const { connection } =
      this.#up ?? (await within(this.#connect(), this.#options.name, { timeoutMs, signal }));
    const leftMs = Math.max(0, Math.ceil(timeoutMs - (performance.now() - startedAt)));
    try {
      return await connection.request(head, body, { timeoutMs: leftMs, signal });
    } catch (error) {
      const broke = hasCode(error, "CLOSED") && !connection.open && signal?.aborted !== true;
      throw broke ? this.#lost(error) : error;
    }
  }

  /** The peer lives on under another boot id: a connection to the old process is worth nothing. */
  forget(boot: string): void {
    if (this.#up?.boot !== boot) this.#up?.connection.destroy();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#dialling?.catch(() => undefined); // its waiters have the error
    await this.#up?.connection.close();
  }

  #connect(): Promise<Up> {
    this.#dialling ??= this.#dial().finally(() => (this.#dialling = undefined));
    return this.#dialling;
  }

  async #dial(): Promise<Up> {
    const { name, limits, runtime } = this.#options;
    const { signal } = this.#stop;
    if (signal.aborted) throw this.#lost(undefined);
    const dialled = await this.#options.dial(signal);
    if (dialled.kind !== "up") throw this.#lost(dialled.error);
    const { framed, hello } = dialled;
    const ping = {
      runtime,
      everyMs: limits.pingMs,
      silenceMs: limits.requestSilenceMs,
      always: false,
    };
    const { requestQueueBytes: queueBytes, closeGraceMs } = limits;
    const options = { name, queueBytes, served: 1, closeGraceMs, ping };
    const up = { connection: new Connection(framed, options, {}), boot: hello.boot };
    if (signal.aborted) {
      up.connection.destroy();
      throw this.#lost(undefined);
    }
    this.#up = up;
    // `closed` never rejects.
    void up.connection.closed.then(() => {
      if (this.#up === up) this.#up = undefined;
    });
    return up;
  }

  #lost(cause: unknown): IDunnoError {
    if (this.#stop.signal.aborted) return new IDunnoError("CLOSED", { what: this.#options.name });
    return new IDunnoError("UNREACHABLE", { nodes: [this.#options.peer] }, { cause });
  }
}
