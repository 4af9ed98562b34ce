/**
 * A process that works for BullMQ as IDunno's slot works for IDunno: a job is a list of photos, which are decoded by
 * the same decoder on libuv's pool and given to the same network through the same door. It dies with the benchmark.
 */
import { readFile } from "node:fs/promises";
import { decodeImage } from "../../src/inference/image.ts";
import { OnnxModel } from "../../src/inference/onnx.ts";
import { Packer, type Pixels } from "../../src/inference/preprocess.ts";
import { planOf } from "../../src/inference/protocol.ts";
import { ThreadModel } from "../../src/inference/query-runner.ts";
import { inputOutput } from "../../src/inference/scores.ts";
import type { LocalModel } from "../../src/inference/types.ts";
import { type BullmqConnection, loadBullmq } from "./bullmq-package.ts";

export interface BullmqStart {
  readonly model: LocalModel;
  readonly queue: string;
  readonly connection: BullmqConnection;
  /** Images of one run of the network. */
  readonly batch: number;
  /** Jobs in hand at once: while one is in the network, the photos of the other are decoded. */
  readonly concurrency: number;
}

export interface BullmqJob {
  readonly photos: readonly string[];
}

export type FromBullmq =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly inputs: number; readonly elapsedMs: number };

// In the middle of a run, an orderly end would abort with a core dump.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

function tell(message: FromBullmq): void {
  process.send?.(message);
}

async function start({ model: local, queue, connection, batch, concurrency }: BullmqStart) {
  const plan = planOf(local, 0);
  const model = new ThreadModel(plan, await OnnxModel.open(plan, new Packer(plan).shape(1)));
  const target = { ...plan.input, resize: plan.preprocessing.resize };
  const options = { softmax: plan.output.activation === "softmax", topK: plan.topK };
  const decode = async (path: string): Promise<Pixels> => {
    const image = await decodeImage(await readFile(path), target);
    if (image.kind !== "pixels") throw new TypeError(`${path} could not be decoded`);
    return image;
  };
  const { Worker } = await loadBullmq();
  const worker = new Worker(
    queue,
    async ({ data }) => {
      const startMs = performance.now();
      const { photos } = data as BullmqJob;
      const decoding = photos.map(decode);
      const answers: unknown[] = [];
      for (let at = 0; at < photos.length; at += batch) {
        const rows = await model.runOnce(await Promise.all(decoding.slice(at, at + batch)));
        answers.push(...rows.map((row) => inputOutput(row, options)));
      }
      tell({ kind: "done", inputs: photos.length, elapsedMs: performance.now() - startMs });
      return answers;
    },
    { connection, concurrency },
  );
  const fail = (error: Error): never => {
    throw error;
  };
  worker.on("failed", (_job, error) => fail(error));
  worker.on("error", fail);
  await worker.waitUntilReady();
  tell({ kind: "ready" });
}

process.once("message", (message: BullmqStart) => {
  // A failure ends the process, which the benchmark sees.
  void start(message);
});
