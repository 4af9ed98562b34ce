/**
 * The same inference behind BullMQ on Redis: the queue that a Node program would take otherwise. Redis keeps everything
 * in memory here and writes nothing, the photos lie on the local disk, and nobody hashes them: it promises less than the
 * cluster beside it, and the comparison is in its favour.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { once } from "node:events";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { IDunnoError } from "../../src/lib/errors.ts";
import { until } from "../bench.ts";
import { endAll } from "../children.ts";
import { freePorts } from "../ports.ts";
import type { BullmqJob, BullmqStart, FromBullmq } from "./bullmq-worker.ts";
import type { BareThreadData } from "./bare-thread.ts";
import { type RedisAddress, redisServer } from "./redis.ts";
import { type Ran, steadyRate } from "./steady.ts";

const host = "127.0.0.1";
const queueName = "photos";
/** One in the network, one being decoded. */
const concurrency = 2;
const readyMs = 60_000;
/** Some times what a run takes on a busy machine. */
const withinMs = 10 * 60_000;

export interface BullmqOptions extends Pick<BareThreadData, "model" | "photos"> {
  /** Images of one run of the network: what the search found best. */
  readonly batch: number;
  /** Photos of a job, as many as the clusters have in a query: fewer would cost more trips to Redis. */
  readonly photosPerJob: number;
  readonly signal: AbortSignal;
}

export class BullmqPeer implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];
  readonly #queue: Queue;
  readonly #directory: string;
  readonly #options: BullmqOptions;

  private constructor(
    children: readonly ChildProcess[],
    queue: Queue,
    directory: string,
    options: BullmqOptions,
  ) {
    this.#children = children;
    this.#queue = queue;
    this.#directory = directory;
    this.#options = options;
  }

  /** Resolves when Redis answers and a process for each core has loaded the network. */
  static async start(options: BullmqOptions): Promise<BullmqPeer> {
    const { model, batch, signal } = options;
    const [port = 0] = await freePorts(1);
    const connection = { host, port };
    const directory = await mkdtemp(join(tmpdir(), "idunno-redis-"));
    const settings = ["--bind", host, "--port", String(port), "--dir", directory];
    const server = spawn(redisServer, [...settings, "--save", "", "--appendonly", "no"], {
      stdio: "ignore",
    });
    const children: ChildProcess[] = [server];
    try {
      await until({ what: "Redis", withinMs: readyMs, everyMs: 50, signal }, async () =>
        (await answers(connection)) ? true : undefined,
      );
      const file = fileURLToPath(new URL("./bullmq-worker.js", import.meta.url));
      const start: BullmqStart = { model, queue: queueName, connection, batch, concurrency };
      const workers = Array.from({ length: availableParallelism() }, () => fork(file, []));
      children.push(...workers);
      const ready = workers.map(async (worker) => once(worker, "message"));
      for (const worker of workers) worker.send(start);
      await Promise.all(ready);
      return new BullmqPeer(children, new Queue(queueName, { connection }), directory, options);
    } catch (error) {
      await endAll(children);
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Images per second of a run over at least so many. @throws TIMED_OUT, INTERNAL when a process ends */
  async rate(images: number): Promise<number> {
    const { photos, photosPerJob, signal } = this.#options;
    const jobs = Math.ceil(images / photosPerJob);
    const done: Ran[] = [];
    const note = (message: FromBullmq): void => {
      if (message.kind !== "done") return;
      const { inputs, elapsedMs } = message;
      done.push({ inputs, elapsedMs, doneMs: performance.now() });
    };
    for (const child of this.#children) child.on("message", note);
    try {
      await this.#queue.addBulk(
        Array.from({ length: jobs }, (_, job) => {
          const data: BullmqJob = { photos: slice(photos, job * photosPerJob, photosPerJob) };
          return { name: queueName, data };
        }),
      );
      await until({ what: "BullMQ", withinMs, everyMs: 20, signal }, async () => {
        if (this.#children.some(({ exitCode, signalCode }) => (exitCode ?? signalCode) !== null))
          throw new IDunnoError("INTERNAL", { message: "a process of the BullMQ peer ended" });
        return done.length === jobs ? true : undefined;
      });
    } finally {
      for (const child of this.#children) child.off("message", note);
    }
    return steadyRate(done).perSecond;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
    await endAll(this.#children);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** So many photos from there on, round and round. */
function slice(photos: readonly string[], from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => photos[(from + i) % photos.length] ?? "");
}

async function answers({ host: to, port }: RedisAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: to, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
