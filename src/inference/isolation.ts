/**
 * Runs a query that is suspected of ending executors in a process of its own, which has run nothing before and ends with it:
 * so whatever ends that process was the query's own doing, and nobody else's queries suffer. One at a time, since each
 * takes a core and a model's memory.
 */
import { IDunnoError } from "../lib/errors.ts";
import { assertNever } from "../lib/types.ts";
import { cancelled, noRoom, resultOf } from "./dispatcher.ts";
import { ExecutorProcess } from "./executor-process.ts";
import { planOf, type QueryAnswer } from "./protocol.ts";
import { LOAD_WITHIN_MS, LONE_START_WITHIN_MS } from "./supervisor.ts";
import type { LogLine, QueryRequest, QueryResult } from "./types.ts";

/** Waiting ones included: a query of the largest batch, halved to single inputs, has no more at once. */
export const MAX_ISOLATED = 1_024;

type RunEnd = Exclude<QueryAnswer, { readonly kind: "progress" | "recalled" }>;

interface Isolated {
  readonly id: string;
  isCancelled: boolean;
  process: ExecutorProcess | undefined;
}

export class Isolation {
  readonly #log: (line: LogLine) => void;
  readonly #pending = new Map<string, Isolated>();
  #last: Promise<void> = Promise.resolve();

  constructor(log: (line: LogLine) => void) {
    this.#log = log;
  }

  /**
   * Runs a query when its turn has come; its time-out counts from when it is begun.
   * @throws IDunnoError EXECUTOR_FAILED when its process died or was killed for its time-out, or the network threw;
   *   BAD_MODEL, BUSY; CLOSED when it was cancelled
   */
  async run(request: QueryRequest): Promise<QueryResult> {
    const { id } = request;
    if (this.#pending.size >= MAX_ISOLATED)
      throw new IDunnoError("BUSY", { what: "the queue of suspects", limit: MAX_ISOLATED });
    if (this.#pending.has(id))
      throw new IDunnoError("CONFLICT", { what: `query ${id}`, why: "it is under way" });
    const isolated: Isolated = { id, isCancelled: false, process: undefined };
    this.#pending.set(id, isolated);
    const askedAt = performance.now();
    const mine = this.#last.then(() => this.#run(request, isolated, askedAt));
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await mine;
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Ends a query at once, or, while it waits, when its turn comes; unknown ids are ignored. */
  cancel(id: string): void {
    const isolated = this.#pending.get(id);
    if (isolated === undefined) return;
    isolated.isCancelled = true;
    isolated.process?.kill({ kind: "nobody", why: "it was cancelled" });
  }

  /** Cancels all and waits until they have ended. Idempotent. */
  async destroy(): Promise<void> {
    for (const id of this.#pending.keys()) this.cancel(id);
    await this.#last;
  }

  async #run(request: QueryRequest, isolated: Isolated, askedAt: number): Promise<QueryResult> {
    if (isolated.isCancelled) throw cancelled(request.id);
    const answer = new Answer();
    const process = new ExecutorProcess({
      slots: 1,
      log: this.#log,
      onAnswer: (_, given) => answer.take(given),
    });
    isolated.process = process;
    try {
      await begin(process, request);
      const waitMs = performance.now() - askedAt;
      const { id, inputs, tensorsTo, timeoutMs } = request;
      process.send(0, { kind: "run", id, model: 0, inputs, tensorsTo });
      const timer = setTimeout(
        () =>
          process.kill({ kind: "query", id, why: `query ${id} timed out after ${timeoutMs} ms` }),
        timeoutMs,
      );
      const end = await Promise.race([answer.given, process.exited]);
      clearTimeout(timer);
      switch (end.kind) {
        case "done":
          return resultOf(end, waitMs);
        case "damaged": {
          const { kind, hash, why } = end;
          return { kind, hash, why };
        }
        case "unwritten":
          throw noRoom(end.why);
        case "cancelled":
          throw cancelled(id);
        case "query":
          throw new IDunnoError("EXECUTOR_FAILED", { why: end.why, during: "timeout" });
        case "failed":
        case "unknown":
        case "nobody":
          throw new IDunnoError("EXECUTOR_FAILED", { why: end.why, during: "query" });
        default:
          return assertNever(end, "end of a suspect");
      }
    } catch (error) {
      throw isolated.isCancelled ? cancelled(request.id) : error;
    } finally {
      process.kill({ kind: "nobody", why: "the suspect is done" });
      await process.exited;
    }
  }
}

/** The one answer that ends a query. */
class Answer {
  readonly given: Promise<RunEnd>;
  #resolve: (answer: RunEnd) => void = () => undefined;

  constructor() {
    this.given = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  take(answer: QueryAnswer): void {
    if (answer.kind !== "progress" && answer.kind !== "recalled") this.#resolve(answer);
  }
}

/** Starts the process and opens the model in it. */
async function begin(process: ExecutorProcess, { model }: QueryRequest): Promise<void> {
  if (!(await process.up(LONE_START_WITHIN_MS))) {
    const { why } = await process.exited;
    throw new IDunnoError("EXECUTOR_FAILED", { why, during: "start" });
  }
  const end = await process.load(planOf(model, 0), LOAD_WITHIN_MS);
  if (end.kind === "loaded") return;
  const why = end.kind === "refused" ? end.why : `onnxruntime crashed on it (${end.blame.why})`;
  throw new IDunnoError("BAD_MODEL", { model: model.manifest.name, why });
}
