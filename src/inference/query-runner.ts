/**
 * Runs one query on a thread: takes prepared inputs in order, packs the good ones into micro-batches, and
 * puts each answer where its input was. A bad input gets its error record and never enters a batch, so its
 * neighbours do not notice it.
 */
import type { ChunkHash } from "../lib/types.ts";
import { answersOf } from "./answers.ts";
import type { Clock } from "./clock.ts";
import { type Feeder, feederOf, type Item } from "./feeder.ts";
import { MicroBatch, runsFor } from "./micro-batch.ts";
import { type OnnxModel, text, WrongAnswer } from "./onnx.ts";
import type { ModelPlan, ThreadTimings } from "./protocol.ts";
import type { ThreadQuery } from "./thread-query.ts";
import type { InputOutput, WrittenTensors } from "./types.ts";
import { bytesOf, type Feed, isFinite, type Row } from "./values.ts";

/** An answer; undefined where it is not what the manifest says. */
type Answer = Row | undefined;

/** A model as a thread holds it. */
export class ThreadModel {
  readonly plan: ModelPlan;
  readonly onnx: OnnxModel;
  readonly feeder: Feeder;
  readonly micro: MicroBatch;
  /** The tensors of each batch size, used again: the network has read them when `run` returns. */
  readonly #rooms = new Map<number, readonly Feed[]>();

  constructor(plan: ModelPlan, onnx: OnnxModel) {
    this.plan = plan;
    this.onnx = onnx;
    this.feeder = feederOf(plan);
    this.micro = new MicroBatch(onnx.maxBatch);
  }

  /**
   * Answers of the network, in order, in one run.
   * @throws WrongAnswer when they are not what the manifest says
   */
  async runOnce(items: readonly Item[]): Promise<Row[]> {
    let room = this.#rooms.get(items.length);
    if (room === undefined) {
      room = this.feeder.room(items.length);
      this.#rooms.set(items.length, room);
    }
    for (const [i, item] of items.entries()) this.feeder.pack(item, room, i);
    return this.onnx.run(room);
  }

  /**
   * As {@link runOnce}; a size not used before is first compared with single runs, which then count.
   * So do they when an answer is not finite, or not what the manifest says: no input may spoil another's, however the
   * network is made.
   */
  async run(items: readonly Item[]): Promise<Answer[]> {
    const size = items.length;
    if (this.micro.isTrial(size)) {
      const singles = await this.#runSingly(items);
      // An input that has no answer of its own says nothing of runs of that size.
      if (!singles.includes(undefined)) this.micro.tried(size, await this.#agrees(items, singles));
      return singles;
    }
    const start = performance.now();
    const rows = await this.#runOrNone(items);
    if (rows === undefined) return size === 1 ? [undefined] : this.#runSingly(items);
    this.micro.ran(size, performance.now() - start);
    if (size === 1 || rows.every((row) => row.every(isFinite))) return rows;
    return this.#runSingly(items);
  }

  async #runSingly(items: readonly Item[]): Promise<Answer[]> {
    const rows: Answer[] = [];
    for (const item of items) rows.push((await this.#runOrNone([item]))?.[0]);
    return rows;
  }

  /** undefined: the answer is not what the manifest says. */
  async #runOrNone(items: readonly Item[]): Promise<Row[] | undefined> {
    try {
      return await this.runOnce(items);
    } catch (error) {
      if (error instanceof WrongAnswer) return undefined;
      throw error;
    }
  }

  async #agrees(items: readonly Item[], singles: readonly Answer[]): Promise<boolean> {
    let rows: Row[];
    try {
      rows = await this.runOnce(items);
    } catch (error) {
      // A network that in truth takes one input only: the singles have just worked.
      void error;
      return false;
    }
    return rows.every((row, i) => isSame(row, singles[i]));
  }
}

/** To the last bit. */
function isSame(row: Row, other: Answer): boolean {
  return row.every((values, i) => {
    const others = other?.[i];
    return others !== undefined && Buffer.compare(bytesOf(values), bytesOf(others)) === 0;
  });
}

export type QueryEnd =
  | {
      readonly kind: "done";
      readonly outputs: readonly InputOutput[];
      readonly timings: ThreadTimings;
      readonly tensors?: WrittenTensors;
    }
  | { readonly kind: "damaged"; readonly hash: ChunkHash; readonly why: string }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "unwritten"; readonly why: string }
  | { readonly kind: "cancelled" };

/** What a query and its model are to the runner: a simulation has others. */
type RunnableQuery = Pick<ThreadQuery, "cancelled" | "inputs" | "take" | "tensorsTo">;
interface RunnableModel extends Pick<ThreadModel, "run"> {
  readonly plan: Pick<ModelPlan, "output">;
  readonly micro: Pick<MicroBatch, "size">;
}

export interface RunnerPorts {
  readonly clock: Pick<Clock, "now" | "soon">;
  /** Called before each micro-batch, which waits until it resolves; what it takes is not the query's time. */
  readonly boundary: () => Promise<void>;
  /** Called whenever inputs have been taken: the moment to decode more. */
  readonly refill: () => void;
  readonly onProgress: (inputsDone: number) => void;
}

/** @throws Error from onnxruntime: the query, not an input, is then at fault, and the scheduler splits it */
export async function runQuery(
  query: RunnableQuery,
  model: RunnableModel,
  { clock, boundary, refill, onProgress }: RunnerPorts,
): Promise<QueryEnd> {
  const outputs: InputOutput[] = [];
  const answers = answersOf(model.plan, query.inputs.length, query.tensorsTo);
  const start = clock.now();
  let yieldedMs = 0;
  let decodeMs = 0;
  let inferMs = 0;
  while (outputs.length < query.inputs.length) {
    const boundaryAt = clock.now();
    await boundary();
    if (query.cancelled) return { kind: "cancelled" };
    const waitFrom = clock.now();
    yieldedMs += waitFrom - boundaryAt;
    const items: Item[] = [];
    const places: number[] = [];
    while (items.length < model.micro.size) {
      refill();
      const ready = await query.take();
      if (ready === undefined) break;
      if (ready.kind === "damaged" || ready.kind === "failed") return ready;
      if (ready.kind === "error") outputs.push({ kind: "error", code: ready.code });
      else {
        items.push(ready);
        places.push(outputs.length);
        // Holds the place until its answer is known.
        outputs.push({ kind: "error", code: "wrong_output" });
      }
    }
    refill();
    const inferFrom = clock.now();
    decodeMs += inferFrom - waitFrom;
    let done = 0;
    for (const size of runsFor(items.length, model.micro.size)) {
      const rows = await model.run(items.slice(done, done + size));
      for (const [i, row] of rows.entries()) {
        const place = places[done + i] ?? -1;
        if (row !== undefined) outputs[place] = answers.take(place, row);
      }
      done += size;
    }
    inferMs += clock.now() - inferFrom;
    onProgress(outputs.length);
    await turn(clock);
  }
  try {
    const written = answers.end();
    const totalMs = clock.now() - start - yieldedMs;
    return { kind: "done", outputs, timings: { decodeMs, inferMs, totalMs }, ...written };
  } catch (error) {
    return { kind: "unwritten", why: text(error) };
  }
}

/** Lets the loop turn once: messages arrive (cancel), and finished decodes hand over their pixels. */
function turn(clock: Pick<Clock, "soon">): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}
