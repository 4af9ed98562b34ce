/** Keeps every slot of a cluster busy with one long job, which is paused while nobody measures. */
import { IDunnoError } from "../../src/lib/errors.ts";
import { until } from "../bench.ts";
import { type BenchCluster, inputFolders } from "../cluster.ts";
import { WorkFollower } from "../work-follower.ts";

/** A slot that was given nothing for so long is broken. */
const busyMs = 60_000;
/** A node that has just been restarted loads its models while the others run the job to its end: then another one is begun. */
const mostStarts = 5;
/** How often to look how much is left of it, in ms. */
const lookMs = 20;

export interface LoadOptions {
  readonly model: string;
  /** Folders of inputs in SDFS: the longer the job, the seldomer another has to be submitted. */
  readonly folders: number;
  /** Inputs that must be left when it has been started: more than a trial uses. */
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

  /**
   * Runs; resolves when every node has completed a query since, so that all models are warm and all slots busy, and enough
   * inputs are left.
   * @throws INTERNAL when the job is too short for that
   */
  async start(): Promise<void> {
    const { leader } = await this.#cluster.healthy();
    await using follower = await WorkFollower.start(this.#cluster.client(leader), 10);
    for (let starts = 0; starts < mostStarts; starts += 1) {
      await this.#resume();
      if (await this.#isEverywhere(follower)) return;
    }
    throw new IDunnoError("INTERNAL", { message: "the load ends before every node has run it" });
  }

  /** Whether that comes about while enough inputs are left. */
  async #isEverywhere({ completed }: WorkFollower): Promise<boolean> {
    const { names } = this.#cluster;
    const what = `a query of ${this.#options.model} on every node`;
    return until({ what, withinMs: busyMs, everyMs: lookMs, signal: this.#signal }, async () => {
      if (!(await this.#hasEnough())) return false;
      const ours = completed.filter(({ job }) => job === this.#job);
      const ran = new Set(ours.map(({ node }) => node));
      return names.every((name) => ran.has(name)) ? true : undefined;
    });
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
