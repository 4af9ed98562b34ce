/** Keeps every slot of a cluster busy with one long job, which is paused while nobody measures. */
import { IDunnoError } from "../../src/lib/errors.ts";
import { until } from "../bench.ts";
import { type BenchCluster, inputFolders } from "../cluster.ts";
import { WorkFollower } from "../work-follower.ts";

/** A slot that was given nothing for so long is broken. */
const busyMs = 60_000;

export interface LoadOptions {
  readonly model: string;
  /** Folders of inputs in SDFS: the longer the job, the seldomer another has to be submitted. */
  readonly folders: number;
  /** Inputs that must be left at a start: more than a trial uses. */
  readonly leastInputs: number;
}

export class Load {
  readonly #cluster: BenchCluster;
  readonly #options: LoadOptions;
  readonly #signal: AbortSignal;
  #job: string | undefined;

  constructor(cluster: BenchCluster, options: LoadOptions, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#options = options;
    this.#signal = signal;
  }

  /** @throws INVALID before the first start */
  get job(): string {
    if (this.#job !== undefined) return this.#job;
    throw new IDunnoError("INTERNAL", { message: "the load has not been started" });
  }

  /** Runs; resolves when every node has completed a query since, so that all models are warm and all slots busy. */
  async start(): Promise<void> {
    const { leader } = await this.#cluster.healthy();
    await using follower = await WorkFollower.start(this.#cluster.client(leader), 10);
    await this.#resume();
    const withinMs = busyMs;
    await Promise.all(
      this.#cluster.names.map(async (name) =>
        follower.first((completed) => completed.node === name && completed.job === this.#job, {
          what: `a query of ${this.#options.model} on ${name}`,
          withinMs,
        }),
      ),
    );
  }

  /** Makes room in a job that is left running for long. */
  async renew(): Promise<void> {
    if (!(await this.#hasEnough())) await this.start();
  }

  async stop(): Promise<void> {
    if (this.#job === undefined) return;
    const client = this.#cluster.anyClient();
    const job = await client.job(this.#job);
    if (job.state === "running") await client.setJob(this.#job, { state: "paused" });
    await this.#untilIdle();
  }

  async cancel(): Promise<void> {
    if (this.#job === undefined) return;
    await cancel(this.#cluster, this.#job);
    this.#job = undefined;
    await this.#untilIdle();
  }

  async #hasEnough(): Promise<boolean> {
    if (this.#job === undefined) return false;
    const { state, totalInputs, doneInputs } = await this.#cluster.anyClient().job(this.#job);
    const live = state === "running" || state === "paused";
    return live && totalInputs - doneInputs >= this.#options.leastInputs;
  }

  async #resume(): Promise<void> {
    const client = this.#cluster.anyClient();
    if (await this.#hasEnough()) {
      const { state } = await client.job(this.job);
      if (state === "paused") await client.setJob(this.job, { state: "running" });
      return;
    }
    await this.cancel();
    const { model, folders } = this.#options;
    this.#job = (await client.submitJob({ model, inputs: inputFolders(folders) })).id;
  }

  /** What was handed out before a pause is still done, by the nodes that live. */
  async #untilIdle(): Promise<void> {
    const names = this.#cluster.running;
    await until(
      { what: "idle executors", withinMs: busyMs, everyMs: 20, signal: this.#signal },
      async () => {
        const views = await Promise.all(
          names.map(async (name) => this.#cluster.client(name).status()),
        );
        const idle = views.every(({ executor }) => executor.running + executor.queued === 0);
        return idle ? idle : undefined;
      },
    );
  }
}

/** Cancels the job if it has not ended. */
export async function cancel(cluster: BenchCluster, job: string): Promise<void> {
  const client = cluster.anyClient();
  const { state } = await client.job(job);
  if (state !== "running" && state !== "paused") return;
  try {
    await client.setJob(job, { state: "cancelled" });
  } catch (error) {
    // It ended between the look and the word.
    const { state: now } = await client.job(job);
    if (now === "running" || now === "paused") throw error;
  }
}
