/**
 * A query that is run in pieces of some inputs each, maybe beside others: what has been cut off it, what came out, and its
 * one answer. The pieces may end in any order; they are its inputs in order.
 */
import type { IDunnoError } from "../lib/errors.ts";
import { assert } from "../lib/types.ts";
import type { Clock } from "./clock.ts";
import type { ModelPlan } from "./protocol.ts";
import type { InputOutput, QueryRequest, QueryResult } from "./types.ts";

type Done = Extract<QueryResult, { readonly kind: "done" }>;

export interface Piece {
  readonly request: QueryRequest;
  /** The place of its first input in the query. */
  readonly from: number;
}

export class SharedQuery {
  readonly request: QueryRequest;
  /** Whose share of the node it counts to. */
  readonly job: string;
  /** Settles as `run()` does. */
  readonly answer: Promise<QueryResult>;
  /** Set once the model is loaded. */
  plan: ModelPlan | undefined;
  isCancelled = false;
  readonly #clock: Pick<Clock, "now">;
  readonly #onProgress: (inputsDone: number) => void;
  /** By the place of their first input. */
  readonly #ended = new Map<number, Done>();
  /** Under way, with the inputs that they have done. */
  readonly #placed = new Map<string, number>();
  #cut = 0;
  #pieces = 0;
  #endedInputs = 0;
  #spentMs = 0;
  #begunAtMs: number | undefined;
  #toldInputs = 0;
  #settled = false;
  #resolve: (result: QueryResult) => void = () => undefined;
  #reject: (error: IDunnoError) => void = () => undefined;

  constructor(
    request: QueryRequest,
    {
      onProgress = () => undefined,
      clock,
    }: {
      readonly onProgress?: (inputsDone: number) => void;
      readonly clock: Pick<Clock, "now">;
    },
  ) {
    this.request = request;
    this.#clock = clock;
    [this.job = request.id] = request.id.split("/", 1);
    this.#onProgress = onProgress;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Inputs that no piece has yet; a query without inputs is one empty piece. */
  get left(): number {
    return this.request.inputs.length - this.#cut;
  }

  get isWhollyCut(): boolean {
    return this.#pieces > 0 && this.left === 0;
  }

  get isBegun(): boolean {
    return this.#pieces > 0;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  /** As far as pieces have told; never less than before. */
  get inputsDone(): number {
    return this.#toldInputs;
  }

  /** Ids of the pieces under way. */
  get placed(): readonly string[] {
    return [...this.#placed.keys()];
  }

  /**
   * The next `count` inputs. What its time-out leaves is the piece's, since time is counted on slots.
   * @param options.serial no other piece has it, not even one of an earlier try of this query, which a thread may still hold
   */
  cutOff(
    count: number,
    {
      serial,
      ...how
    }: { readonly serial: number; readonly express: boolean; readonly brief: boolean },
  ): Piece {
    const { id, model, inputs, timeoutMs, tensorsTo } = this.request;
    assert(tensorsTo === undefined || count === inputs.length, "a query for arrays is one piece");
    const from = this.#cut;
    const request: QueryRequest = {
      id: `${id}#${serial}`,
      model,
      inputs: inputs.slice(from, from + count),
      timeoutMs: Math.max(1, timeoutMs - this.#spentMs),
      tensorsTo,
      ...how,
    };
    this.#cut += count;
    this.#pieces += 1;
    this.#placed.set(request.id, 0);
    return { request, from };
  }

  progress({ request: { id } }: Piece, inputsDone: number): void {
    if (this.#settled || !this.#placed.has(id)) return;
    this.#placed.set(id, inputsDone);
    const running = [...this.#placed.values()].reduce((sum, done) => sum + done, 0);
    // A piece that is begun anew may fall back.
    if (this.#endedInputs + running <= this.#toldInputs) return;
    this.#toldInputs = this.#endedInputs + running;
    this.#onProgress(this.#toldInputs);
  }

  /** A piece is done; the query is when all are. */
  done({ request, from }: Piece, result: Done, placedAtMs: number): void {
    this.progress({ request, from }, request.inputs.length);
    this.#placed.delete(request.id);
    this.#ended.set(from, result);
    this.#endedInputs += request.inputs.length;
    this.#spentMs += result.timings.totalMs;
    const begunAtMs = placedAtMs + result.timings.waitMs;
    this.#begunAtMs = Math.min(this.#begunAtMs ?? begunAtMs, begunAtMs);
    // A piece that was called back has none: the whole will never be.
    if (this.#endedInputs === this.request.inputs.length && this.isWhollyCut)
      this.resolve(this.#whole());
  }

  /** A piece has ended without a result. */
  dropped({ request: { id } }: Piece): void {
    this.#placed.delete(id);
  }

  resolve(result: QueryResult): void {
    this.#settled = true;
    this.#resolve(result);
  }

  reject(error: IDunnoError): void {
    this.#settled = true;
    this.#reject(error);
  }

  #whole(): Done {
    const results = [...this.#ended].toSorted(([a], [b]) => a - b).map(([, result]) => result);
    const [first] = results;
    assert(first !== undefined, "a query has one piece at least");
    const sum = (of: (timings: Done["timings"]) => number): number =>
      results.reduce((total, { timings }) => total + of(timings), 0);
    const nowMs = this.#clock.now();
    const outputs: InputOutput[] = results.flatMap((result) => result.outputs);
    const whole = {
      kind: "done" as const,
      outputs,
      timings: {
        waitMs: first.timings.waitMs,
        decodeMs: sum(({ decodeMs }) => decodeMs),
        inferMs: sum(({ inferMs }) => inferMs),
        totalMs: sum(({ totalMs }) => totalMs),
        spanMs: nowMs - (this.#begunAtMs ?? nowMs),
      },
    };
    // A query for arrays is one piece: its file is the query's.
    return first.tensors === undefined ? whole : { ...whole, tensors: first.tensors };
  }
}
