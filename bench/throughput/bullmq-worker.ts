/**
 * A process that works for BullMQ as IDunno's slot works for IDunno: a job is a list of photos, which are decoded by
 * the same decoder on libuv's pool and given to the same network through the same door. It dies with the benchmark.
 */
import { readFile } from "node:fs/promises";
import { Worker } from "bullmq";
import { decodeImage } from "../../src/inference/image.ts";
import { answersOf } from "../../src/inference/answers.ts";
import { feederOf, type Item, targetOf } from "../../src/inference/feeder.ts";
import { OnnxModel } from "../../src/inference/onnx.ts";
import { planOf } from "../../src/inference/protocol.ts";
import { ThreadModel } from "../../src/inference/query-runner.ts";
import type { LocalModel } from "../../src/inference/types.ts";
import type { RedisAddress } from "./redis.ts";

export interface BullmqStart {
  readonly model: LocalModel;
  readonly queue: string;
  readonly connection: RedisAddress;
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
  if (plan.input.kind !== "image") throw new TypeError("the jobs are photos");
  const model = new ThreadModel(plan, await OnnxModel.open(plan, feederOf(plan).room(1)));
  const target = targetOf(plan.input);
  const classes = answersOf(plan, 0, undefined);
  const decode = async (path: string): Promise<Item> => {
    const image = await decodeImage(await readFile(path), target);
    if (image.kind !== "pixels") throw new TypeError(`${path} could not be decoded`);
    return image;
  };
  const worker = new Worker(
    queue,
    async ({ data }: { readonly data: unknown }) => {
      const startMs = performance.now();
      const { photos } = data as BullmqJob;
      const decoding = photos.map(decode);
      const answers: unknown[] = [];
      for (let at = 0; at < photos.length; at += batch) {
        const rows = await model.runOnce(await Promise.all(decoding.slice(at, at + batch)));
        answers.push(...rows.map((row) => classes.take(0, row)));
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
