/** Slots in virtual time, whose turns an interleaver decides. */
import { type Clock, systemClock } from "../../src/inference/clock.ts";
import { Interleaver } from "../../src/inference/interleaver.ts";
import type { ModelPlan } from "../../src/inference/protocol.ts";
import { SharedQuery } from "../../src/inference/shared-query.ts";
import type {
  InputFile,
  LocalModel,
  QueryRequest,
  QueryResult,
} from "../../src/inference/types.ts";
import { IDunnoError } from "../../src/lib/errors.ts";

const model = { sha256: "m", path: "/m", manifest: {} } as unknown as LocalModel;
export const plan = { key: 0 } as unknown as ModelPlan;

export function queryOf(id: string, count: number): QueryRequest {
  const inputs = Array.from({ length: count }, (_, i) => input(`${id}:${i}`));
  return { id, model, inputs, timeoutMs: 60_000 };
}

/** Hands in a query whose model is loaded. */
export function placed(interleaver: Interleaver, query: SharedQuery): Promise<QueryResult> {
  interleaver.accept(query);
  interleaver.place(query, plan);
  return query.answer;
}

interface Running {
  readonly request: QueryRequest;
  readonly onProgress: (inputsDone: number) => void;
  readonly resolve: (result: QueryResult) => void;
  readonly reject: (error: IDunnoError) => void;
}

/** Slots in virtual time: what is placed is run one by one for what its job's inputs cost. */
export class Node {
  readonly interleaver: Interleaver;
  readonly placed: Running[] = [];
  /** Inputs run, by job, and in which order. */
  readonly ran: { readonly job: string; readonly id: string; readonly inputs: number }[] = [];
  readonly cancelled: string[] = [];
  nowMs = 0;
  isEmpty = false;
  readonly #costs: Readonly<Record<string, number>>;
  readonly #clock: Clock = { ...systemClock, now: () => this.nowMs };

  constructor(slots: number, costs: Readonly<Record<string, number>>) {
    this.#costs = costs;
    this.interleaver = new Interleaver(slots, {
      clock: this.#clock,
      run: async (request, _plan, onProgress) =>
        new Promise((resolve, reject) => {
          this.placed.push({ request, onProgress, resolve, reject });
        }),
      cancel: (id) => {
        this.cancelled.push(id);
        const at = this.placed.findIndex(({ request }) => request.id === id);
        const [piece] = at < 0 ? [] : this.placed.splice(at, 1);
        piece?.reject(new IDunnoError("CLOSED", { what: id }));
      },
      onEmpty: () => (this.isEmpty = true),
    });
  }

  submit(id: string, count: number, more: Partial<QueryRequest> = {}): Promise<QueryResult> {
    const request = { ...queryOf(id, count), ...more };
    return placed(this.interleaver, new SharedQuery(request, { clock: this.#clock }));
  }

  /** Runs the piece that was placed first. @returns whether there was one */
  async step(): Promise<boolean> {
    const piece = this.placed.shift();
    if (piece === undefined) return false;
    const { id, inputs } = piece.request;
    const [job = ""] = id.split("/", 1);
    const totalMs = inputs.length * (this.#costs[job] ?? 1);
    this.nowMs += totalMs;
    this.ran.push({ job, id, inputs: inputs.length });
    piece.resolve(doneWith(inputs, totalMs));
    // What follows from an answer follows in microtasks.
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  }
}

function input(name: string): InputFile {
  return { parts: [], bytes: name.length, name } as unknown as InputFile;
}

export function doneWith(inputs: readonly InputFile[], totalMs: number): QueryResult {
  // The output names its input.
  const outputs = inputs.map((each) => each as unknown as { kind: "classes"; top: [] });
  const timings = { waitMs: 0, decodeMs: 0, inferMs: totalMs, totalMs, spanMs: totalMs };
  return { kind: "done", outputs, timings };
}

export const namesOf = (result: QueryResult): string[] =>
  result.kind === "done"
    ? result.outputs.map((output) => (output as unknown as { name: string }).name)
    : [];

export async function finished(node: Node, answer: Promise<QueryResult>): Promise<QueryResult> {
  while (await node.step());
  return answer;
}
