/** A process of the bare loop: starts its threads, and adds up their rates. It dies with the benchmark. */
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import type { BareRun, BareThreadData } from "./bare-thread.ts";

export interface BareStart extends Omit<BareThreadData, "first"> {
  readonly threads: number;
}

/** `start` comes once; `run` is answered with the images per second of the first so many threads together. */
export type ToBare =
  | { readonly kind: "start"; readonly start: BareStart }
  | { readonly kind: "run"; readonly threads: number; readonly run: BareRun };
export type FromBare =
  { readonly kind: "ready" } | { readonly kind: "rate"; readonly imagesPerSecond: number };

// In the middle of a run, an orderly end would abort with a core dump.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

let threads: readonly Worker[] = [];

async function start({ threads: count, model, photos }: BareStart): Promise<FromBare> {
  threads = Array.from({ length: count }, (_, i) => {
    const first = Math.floor((i * photos.length) / count);
    const workerData: BareThreadData = { model, photos, first };
    return new Worker(new URL("./bare-thread.js", import.meta.url), { workerData });
  });
  await Promise.all(threads.map(async (thread) => once(thread, "message")));
  return { kind: "ready" };
}

async function run(count: number, asked: BareRun): Promise<FromBare> {
  const used = threads.slice(0, count);
  const rates = used.map(async (thread) => {
    const [rate] = (await once(thread, "message")) as [number];
    return rate;
  });
  for (const thread of used) thread.postMessage(asked);
  const sum = (await Promise.all(rates)).reduce((a, b) => a + b, 0);
  return { kind: "rate", imagesPerSecond: sum };
}

process.on("message", (message: ToBare) => {
  // A failure ends the process, which the benchmark sees.
  const answer =
    message.kind === "start" ? start(message.start) : run(message.threads, message.run);
  void answer.then((told) => process.send?.(told));
});
