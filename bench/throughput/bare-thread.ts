/**
 * A thread of the bare loop: reads photos, decodes them ahead on libuv's pool, and runs the network on one after the
 * other. The same door to onnxruntime, the same decoder and the same packing as the product's executor, and nothing
 * else of it: no cluster, no queue, no hash, no message per image.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { type DecodedImage, decodeImage } from "../../src/inference/image.ts";
import { OnnxModel } from "../../src/inference/onnx.ts";
import { Packer } from "../../src/inference/preprocess.ts";
import { planOf } from "../../src/inference/protocol.ts";
import { ThreadModel } from "../../src/inference/query-runner.ts";
import { inputOutput } from "../../src/inference/scores.ts";
import type { LocalModel } from "../../src/inference/types.ts";

export interface BareThreadData {
  readonly model: LocalModel;
  readonly photos: readonly string[];
  /** Threads begin at different photos. */
  readonly first: number;
}

/** Images decoded or being decoded ahead: as many as the executor has for small micro-batches. */
const ahead = 4;

const port = parentPort;
if (port === null) throw new TypeError("bare-thread.ts runs in a worker thread");
const { model: local, photos, first } = workerData as BareThreadData;
const plan = planOf(local, 0);
const model = new ThreadModel(plan, await OnnxModel.open(plan, new Packer(plan).shape(1)));
const target = { ...plan.input, resize: plan.preprocessing.resize };
const options = { softmax: plan.output.activation === "softmax", topK: plan.topK };
const decoding: Promise<DecodedImage>[] = [];
let next = first;

function decodeNext(): void {
  const path = photos[next % photos.length];
  if (path === undefined) throw new TypeError("the bare loop needs photos");
  next += 1;
  decoding.push(decodeImage(readFileSync(path), target));
}

/** Runs for `ms` and to the end of the image in hand. @returns images per second */
async function run(ms: number): Promise<number> {
  const startMs = performance.now();
  let images = 0;
  let nowMs = startMs;
  while (nowMs - startMs < ms) {
    while (decoding.length < ahead) decodeNext();
    const image = await decoding.shift();
    if (image?.kind !== "pixels") throw new TypeError("a photo could not be decoded");
    const [row] = await model.runOnce([image]);
    if (row === undefined || inputOutput(row, options).kind !== "classes")
      throw new TypeError("the network gave no answer");
    images += 1;
    nowMs = performance.now();
  }
  return (images * 1000) / (nowMs - startMs);
}

port.on("message", (ms: number) => {
  // A failure ends the thread, the process and the benchmark.
  void run(ms).then((rate) => port.postMessage(rate));
});
port.postMessage("ready");
