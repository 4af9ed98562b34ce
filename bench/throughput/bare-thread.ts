/**
 * A thread of the bare loop: reads photos, decodes them ahead on libuv's pool, and runs the network on as many at once
 * as it is told. The same door to onnxruntime, the same decoder and the same packing as the product's executor, and
 * nothing else of it: no cluster, no queue, no hash, no message per image.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { feederOf, type Item, targetOf } from "../../src/inference/feeder.ts";
import { type DecodedImage, decodeImage } from "../../src/inference/image.ts";
import { answersOf } from "../../src/inference/answers.ts";
import { OnnxModel } from "../../src/inference/onnx.ts";
import { planOf } from "../../src/inference/protocol.ts";
import { ThreadModel } from "../../src/inference/query-runner.ts";
import { Burst, readAheadOf } from "../../src/inference/thread-query.ts";
import type { LocalModel } from "../../src/inference/types.ts";

export interface BareThreadData {
  readonly model: LocalModel;
  readonly photos: readonly string[];
  /** Threads begin at different photos. */
  readonly first: number;
}

/** What is asked of a thread, again and again. */
export interface BareRun {
  readonly ms: number;
  /** Images of one run of the network. */
  readonly batch: number;
  /** Images are decoded before the clock starts, and used again: only the network's time counts. */
  readonly decoded: boolean;
}

/** Images that are decoded before the clock starts. */
const decodedImages = 32;

const port = parentPort;
if (port === null) throw new TypeError("bare-thread.ts runs in a worker thread");
const { model: local, photos, first } = workerData as BareThreadData;
const plan = planOf(local, 0);
if (plan.input.kind !== "image") throw new TypeError("the bare loop runs over photos");
const model = new ThreadModel(plan, await OnnxModel.open(plan, feederOf(plan).room(1)));
const target = targetOf(plan.input);
const answers = answersOf(plan, 0, undefined);
const decoding: Promise<DecodedImage>[] = [];
const burst = new Burst(() => performance.now());
const kept: Item[] = [];
let next = first;

async function decodeNext(): Promise<DecodedImage> {
  const path = photos[next % photos.length];
  if (path === undefined) throw new TypeError("the bare loop needs photos");
  next += 1;
  return decodeImage(readFileSync(path), target);
}

async function nextImage(batch: number): Promise<Item> {
  const { low, high } = readAheadOf(batch, burst);
  if (decoding.length < low) {
    const ahead = decoding.length;
    while (decoding.length < high) decoding.push(decodeNext());
    // A photo that cannot be decoded ends the run where it is taken.
    void burst.begun(decoding.slice(ahead)).catch(() => undefined);
  }
  return pixelsOf(await decoding.shift());
}

function pixelsOf(image: DecodedImage | undefined): Item {
  if (image?.kind !== "pixels") throw new TypeError("a photo could not be decoded");
  return image;
}

/** One of those that were decoded before the clock started. */
function keptImage(): Item {
  const image = kept[next % kept.length];
  if (image === undefined) throw new TypeError("nothing has been decoded");
  next += 1;
  return image;
}

/** Runs for `ms` and to the end of the batch in hand. @returns images per second */
async function run({ ms, batch, decoded }: BareRun): Promise<number> {
  while (decoded && kept.length < decodedImages) kept.push(pixelsOf(await decodeNext()));
  const startMs = performance.now();
  let images = 0;
  let nowMs = startMs;
  while (nowMs - startMs < ms) {
    const inputs: Item[] = [];
    while (inputs.length < batch) inputs.push(decoded ? keptImage() : await nextImage(batch));
    for (const row of await model.runOnce(inputs))
      if (answers.take(0, row).kind !== "classes")
        throw new TypeError("the network gave no answer");
    images += batch;
    nowMs = performance.now();
  }
  return (images * 1000) / (nowMs - startMs);
}

port.on("message", (asked: BareRun) => {
  // A failure ends the thread, the process and the benchmark.
  void run(asked).then((rate) => port.postMessage(rate));
});
port.postMessage("ready");
