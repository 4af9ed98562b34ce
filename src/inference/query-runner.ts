/**
 * Runs one query on a thread: takes decoded inputs in order, packs the good ones into micro-batches, and
 * puts each answer where its input was. A bad input gets its error record and never enters a batch, so its
 * neighbours do not notice it.
 */
import type { ChunkHash } from "../lib/types.ts";
import { MicroBatch, runsFor } from "./micro-batch.ts";
import type { OnnxModel } from "./onnx.ts";
import { type Batch, Packer, type Pixels } from "./preprocess.ts";
import type { ModelPlan, ThreadTimings } from "./protocol.ts";
import { inputOutput } from "./scores.ts";
import type { ThreadQuery } from "./thread-query.ts";
import type { InputOutput } from "./types.ts";

/** A model as a thread holds it. */
export class ThreadModel {
  readonly plan: ModelPlan;
  readonly onnx: OnnxModel;
  readonly packer: Packer;
  readonly micro: MicroBatch;
  /** One tensor per batch size, used again: the network has read it when `run` returns. */
  readonly #tensors = new Map<number, Batch>();

  constructor(plan: ModelPlan, onnx: OnnxModel) {
    this.plan = plan;
    this.onnx = onnx;
    this.packer = new Packer(plan);
    this.micro = new MicroBatch(onnx.maxBatch);
  }

  /** Answers of the network, in order, in one run. */
  async runOnce(images: readonly Pixels[]): Promise<Float32Array[]> {
    let tensor = this.#tensors.get(images.length);
    if (tensor === undefined) {
      tensor = this.packer.batch(images.length);
      this.#tensors.set(images.length, tensor);
    }
    for (const [i, image] of images.entries()) this.packer.pack(image, tensor, i);
    return this.onnx.run(tensor, this.packer.shape(images.length));
  }

  /**
   * As {@link runOnce}; a size not used before is first compared with single runs, which then count.
   * So do they when an answer is not finite: no image may spoil another's, however the network is made.
   */
  async run(images: readonly Pixels[]): Promise<Float32Array[]> {
    const size = images.length;
    if (this.micro.isTrial(size)) {
      const singles = await this.#runSingly(images);
      this.micro.tried(size, await this.#agrees(images, singles));
      return singles;
    }
    const start = performance.now();
    const rows = await this.runOnce(images);
    this.micro.ran(size, performance.now() - start);
    if (size === 1 || rows.every((row) => row.every(Number.isFinite))) return rows;
    return this.#runSingly(images);
  }

  async #runSingly(images: readonly Pixels[]): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    for (const image of images) rows.push(...(await this.runOnce([image])));
    return rows;
  }

  async #agrees(images: readonly Pixels[], singles: readonly Float32Array[]): Promise<boolean> {
    let rows: Float32Array[];
    try {
      rows = await this.runOnce(images);
    } catch (error) {
      // A network that in truth takes one image only: the singles have just worked.
      void error;
      return false;
    }
    return rows.every((row, i) => row.every((value, c) => Object.is(value, singles[i]?.[c])));
  }
}

export type QueryEnd =
  | {
      readonly kind: "done";
      readonly outputs: readonly InputOutput[];
      readonly timings: ThreadTimings;
    }
  | { readonly kind: "damaged"; readonly hash: ChunkHash; readonly why: string }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "cancelled" };

export interface RunnerPorts {
  /** Called before each micro-batch, which waits until it resolves; what it takes is not the query's time. */
  readonly boundary: () => Promise<void>;
  /** Called whenever inputs have been taken: the moment to decode more. */
  readonly refill: () => void;
  readonly onProgress: (inputsDone: number) => void;
}

/** @throws Error from onnxruntime: the query, not an input, is then at fault, and the scheduler splits it */
export async function runQuery(
  query: ThreadQuery,
  model: ThreadModel,
  { boundary, refill, onProgress }: RunnerPorts,
): Promise<QueryEnd> {
  const outputs: InputOutput[] = [];
  const { activation } = model.plan.output;
  const options = { softmax: activation === "softmax", topK: model.plan.topK };
  const start = performance.now();
  let yieldedMs = 0;
  let decodeMs = 0;
  let inferMs = 0;
  while (outputs.length < query.inputs.length) {
    const boundaryAt = performance.now();
    await boundary();
    if (query.cancelled) return { kind: "cancelled" };
    const waitFrom = performance.now();
    yieldedMs += waitFrom - boundaryAt;
    const images: Pixels[] = [];
    const places: number[] = [];
    while (images.length < model.micro.size) {
      refill();
      const ready = await query.take();
      if (ready === undefined) break;
      if (ready.kind === "damaged" || ready.kind === "failed") return ready;
      if (ready.kind === "pixels") {
        images.push(ready);
        places.push(outputs.length);
        // Holds the place until its answer is known.
        outputs.push({ kind: "error", code: "wrong_output" });
      } else outputs.push({ kind: "error", code: ready.code });
    }
    refill();
    const inferFrom = performance.now();
    decodeMs += inferFrom - waitFrom;
    let done = 0;
    for (const size of runsFor(images.length, model.micro.size)) {
      const rows = await model.run(images.slice(done, done + size));
      for (const [i, row] of rows.entries())
        outputs[places[done + i] ?? -1] = inputOutput(row, options);
      done += size;
    }
    inferMs += performance.now() - inferFrom;
    onProgress(outputs.length);
    await turn();
  }
  return {
    kind: "done",
    outputs,
    timings: { decodeMs, inferMs, totalMs: performance.now() - start - yieldedMs },
  };
}

/** Lets the loop turn once: messages arrive (cancel), and finished decodes hand over their pixels. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
