/**
 * What a slot's thread does in which order, whatever its networks are: it runs queries one after the other as they came, and
 * holds the one it runs and those sent ahead of time. Asked to yield, it stands still before its next micro-batch, keeping
 * all it has, and does one at least before it stands again.
 */
import { assertNever } from "../lib/types.ts";
import type { Clock } from "./clock.ts";
import type { FromThread, ToThread } from "./protocol.ts";
import type { QueryEnd, RunnerPorts } from "./query-runner.ts";

/**
 * Progress is told at most this often, but for a newcomer's first micro-batch, for which a slot may stand still. Each message
 * wakes two processes, and nothing but metrics waits for the others.
 */
const PROGRESS_EVERY_MS = 250;

/** A query in a thread. */
export interface HeldQuery {
  readonly id: string;
  /** Set by a cancel; seen between micro-batches. */
  cancelled: boolean;
}

export interface SlotThreadPorts<Q extends HeldQuery> {
  readonly clock: Pick<Clock, "now">;
  readonly send: (message: FromThread) => void;
  /** undefined: its model is not loaded. */
  readonly open: (message: Extract<ToThread, { readonly kind: "run" }>) => Q | undefined;
  /** Never rejects: what goes wrong is an end, too. */
  readonly run: (query: Q, ports: Omit<RunnerPorts, "clock">) => Promise<QueryEnd>;
  /** There may be something to decode ahead; the first is the one that runs. */
  readonly refill: (queries: readonly Q[]) => void;
}

/** Messages about queries. */
export type ToQueue = Exclude<ToThread, { readonly kind: "load" | "inspect" | "close" }>;

export class SlotThread<Q extends HeldQuery> {
  readonly #ports: SlotThreadPorts<Q>;
  /** The first is the one that runs. */
  readonly #queries: Q[] = [];
  #busy = false;
  /** Those that are held and whose first micro-batch somebody waits for. */
  readonly #newcomers = new Set<string>();
  #toldAt = -Infinity;
  /** Whom it is to stand still for. */
  #yieldTo: number | undefined;
  /** Ends the standing still. */
  #goOn: () => void = () => undefined;

  constructor(ports: SlotThreadPorts<Q>) {
    this.#ports = ports;
  }

  receive(message: ToQueue): void {
    switch (message.kind) {
      case "run": {
        const query = this.#ports.open(message);
        if (query === undefined) {
          // Unloaded between the request and its turn, in a process that never had it.
          this.#ports.send({ kind: "failed", id: message.id, why: "its model is not loaded" });
          return;
        }
        this.#queries.push(query);
        if (message.express === true) this.#newcomers.add(query.id);
        this.#ports.refill(this.#queries);
        // Never rejects: what goes wrong is answered.
        if (!this.#busy) void this.#work();
        return;
      }
      case "cancel":
        for (const query of this.#queries) if (query.id === message.id) query.cancelled = true;
        if (this.#queries[0]?.cancelled === true) this.#goOn();
        return;
      case "yield":
        this.#yieldTo = message.by;
        return;
      case "resume":
        if (this.#yieldTo !== message.by) return;
        this.#yieldTo = undefined;
        this.#goOn();
        return;
      case "recall": {
        const at = this.#queries.findIndex(({ id }) => id === message.id);
        if (at < 1) return; // It has begun, or is done: its answer is on its way.
        this.#queries.splice(at, 1);
        this.#newcomers.delete(message.id);
        this.#ports.send({ kind: "recalled", id: message.id });
        return;
      }
      default:
        assertNever(message, "message to a thread");
    }
  }

  async #work(): Promise<void> {
    const { run, refill, send } = this.#ports;
    this.#busy = true;
    for (let query = this.#queries[0]; query !== undefined; query = this.#queries[0]) {
      const running = query;
      const { id } = query;
      const end = await run(query, {
        boundary: () => this.#boundary(running),
        refill: () => refill(this.#queries),
        onProgress: (inputsDone) => this.#tell(id, inputsDone),
      });
      this.#queries.shift();
      this.#newcomers.delete(id);
      send({ ...end, id });
    }
    this.#busy = false;
  }

  #tell(id: string, inputsDone: number): void {
    const { clock, send } = this.#ports;
    const now = clock.now();
    if (!this.#newcomers.delete(id) && now - this.#toldAt < PROGRESS_EVERY_MS) return;
    this.#toldAt = now;
    send({ kind: "progress", id, inputsDone });
  }

  /** Before each micro-batch. */
  async #boundary(query: Q): Promise<void> {
    const by = this.#yieldTo;
    if (by === undefined || query.cancelled) return;
    this.#ports.send({ kind: "yielded", by });
    await new Promise<void>((resolve) => (this.#goOn = resolve));
  }
}
