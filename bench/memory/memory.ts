/**
 * Whether memory stays bounded while models come and are used: fifty of them on one node, added one after the other and
 * then used in turn, each by one short job after the other. The daemon's and the executor's resident memory are looked
 * at all the while.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asIDunnoError, IDunnoError } from "../../src/lib/errors.ts";
import { makeModels, type ReadyModel } from "../../tools/models/models.ts";
import { makeTextImages } from "../../tools/photos/text-images.ts";
import { type BenchContext, until } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { variantOf } from "../model-variant.ts";
import { plotSvg } from "../plot.ts";
import { type Figures, figure, writePlot } from "../report.ts";
import { table } from "../table.ts";
import { growth, residentMiB, type Sample } from "./resident.ts";

/** Half of the models are variants of the one, half of the other. */
const originals = ["mobilenet_v2", "text_orientation"];
const models = { full: 50, quick: 6 } as const;
/** Every model gets a job in each of so many rounds. */
const rounds = { full: 5, quick: 2 } as const;
/** Queries of a job, each of one input: 50 × 5 × 40 are ten thousand. */
const queriesPerJob = 40;
/** What a daemon may take, whatever it does: some times an idle one's. */
const daemonMiB = 300;
/** What an executor may take with as many models as are added here. */
const executorMiB = 3_072;
/** In the last quarter of the time over the quarter before; more would be a leak, less is noise. */
const growthAllowed = 0.1;
/** Pause between two looks. */
const lookMs = 500;
const withinMs = 5 * 60_000;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

export async function memory(context: BenchContext): Promise<Figures> {
  const { quick, trials, scope, signal, say, resultsDirectory } = context;
  const pace = quick ? "quick" : "full";
  const slots = availableParallelism();
  const ready = await makeModels(join(build, "models"), { only: originals });
  const images = await makeTextImages(join(build, "bench-text-memory"), queriesPerJob);
  const cluster = scope.use(await BenchCluster.up({ nodes: 1, slots, signal }));
  await cluster.putSmallFiles(
    images.map(({ file }, i) => ({ path: `inputs/${i}.png`, local: file })),
  );
  const watcher = scope.use(new MemoryWatcher(cluster, cluster.names[0] ?? ""));
  say(`one node with ${slots} slots; adding ${models[pace]} models`);
  const names = await addVariants(cluster, ready, models[pace]);
  const addedSeconds = watcher.seconds;
  for (let round = 0; round < (trials ?? rounds[pace]); round += 1) {
    for (const model of names) watcher.queries += await useModel(cluster, model, signal);
    const last = watcher.last;
    say(
      `round ${round + 1}: ${watcher.queries} queries, daemon ${last?.daemonMiB.toFixed(0)} MiB, executor ${last?.executorMiB.toFixed(0)} MiB`,
    );
  }
  await watcher.stop();
  const plot = memoryPlot(watcher.samples, addedSeconds);
  const file = await writePlot(resultsDirectory, "memory", plot);
  const figures = conclude(say, watcher.samples, {
    models: names.length,
    queries: watcher.queries,
    addedSeconds,
  });
  say(`plot over time: ${file}`);
  return figures;
}

/** Adds so many, of one original after the other. @returns their names */
async function addVariants(
  cluster: BenchCluster,
  ready: readonly ReadyModel[],
  count: number,
): Promise<string[]> {
  const bytes = await Promise.all(
    ready.map(async ({ manifest, onnxFile }) => ({ manifest, bytes: await readFile(onnxFile) })),
  );
  const names: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    const original = bytes[number % bytes.length];
    if (original === undefined) throw new TypeError("no such model");
    const variant = variantOf(original, `${original.manifest.name}_${number}`);
    await cluster.addModelBytes(variant);
    names.push(variant.manifest.name);
  }
  return names;
}

/** A job of queries with one input each. @returns how many */
async function useModel(
  cluster: BenchCluster,
  model: string,
  signal: AbortSignal,
): Promise<number> {
  const client = cluster.anyClient();
  const { id } = await client.submitJob({ model, inputs: ["inputs/"], batchSize: 1 });
  const options = { what: `the end of job ${id}`, withinMs, everyMs: 20, signal };
  const { state, errorInputs, doneQueries } = await until(options, async () => {
    const view = await client.job(id);
    return view.state === "running" ? undefined : view;
  });
  if (state !== "done" || errorInputs > 0)
    throw new IDunnoError("JOB_FAILED", {
      job: id,
      why: `${errorInputs} inputs failed; it is ${state}`,
    });
  return doneQueries;
}

/** Looks at a node's processes again and again until it is stopped. */
class MemoryWatcher implements AsyncDisposable {
  readonly samples: Sample[] = [];
  /** Done so far, as the benchmark tells. */
  queries = 0;
  readonly #cluster: BenchCluster;
  readonly #name: string;
  readonly #startMs = performance.now();
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #failure: IDunnoError | undefined;

  constructor(cluster: BenchCluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
    // Its failure is thrown by stop() and does not end the process meanwhile.
    this.#running = this.#watch().catch((error: unknown) => {
      this.#failure = asIDunnoError(error);
    });
  }

  get seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  get last(): Sample | undefined {
    return this.samples.at(-1);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    const client = this.#cluster.client(this.#name);
    try {
      await until(
        { what: "the end of the watch", withinMs: Infinity, everyMs: lookMs, signal },
        async () => {
          const { executor, residentBytes } = await client.status();
          const resident = executor.pid === undefined ? NaN : await residentMiB(executor.pid);
          this.samples.push({
            seconds: this.seconds,
            queries: this.queries,
            daemonMiB: residentBytes / 2 ** 20,
            executorMiB: resident,
          });
          return undefined;
        },
      );
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** @throws what ended the watch before its time */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }
}

function memoryPlot(samples: readonly Sample[], addedSeconds: number): string {
  const points = (of: (sample: Sample) => number) =>
    samples
      .map((sample) => ({ x: sample.seconds, y: of(sample) }))
      .filter(({ y }) => !Number.isNaN(y));
  return plotSvg({
    title: "Resident memory while models are added and used in turn",
    xLabel: "seconds",
    yLabel: "MiB",
    series: [
      { name: "executor", points: points((sample) => sample.executorMiB) },
      { name: "daemon", points: points(({ daemonMiB: mib }) => mib) },
    ],
    moments: [
      { x: 0, label: "models added" },
      { x: addedSeconds, label: "used in turn" },
    ],
    bounds: [
      { y: executorMiB, label: "executor's bound" },
      { y: daemonMiB, label: "daemon's bound" },
    ],
  });
}

function conclude(
  say: BenchContext["say"],
  samples: readonly Sample[],
  run: { readonly models: number; readonly queries: number; readonly addedSeconds: number },
): Figures {
  const inUse = samples.filter(({ seconds }) => seconds >= run.addedSeconds);
  const known = (of: (sample: Sample) => number): number[] =>
    samples.map(of).filter((value) => !Number.isNaN(value));
  const most = {
    daemon: Math.max(...known(({ daemonMiB: mib }) => mib)),
    executor: Math.max(...known((sample) => sample.executorMiB)),
  };
  const grown = {
    daemon: growth(inUse.map(({ daemonMiB: mib }) => mib)),
    executor: growth(inUse.map((sample) => sample.executorMiB)),
  };
  const figures = {
    "daemon.mostMiB": figure(most.daemon, "MiB", { atMost: daemonMiB }),
    "executor.mostMiB": figure(most.executor, "MiB", { atMost: executorMiB }),
    "daemon.growth": figure(grown.daemon, "in the last quarter", { atMost: growthAllowed }),
    "executor.growth": figure(grown.executor, "in the last quarter", { atMost: growthAllowed }),
    models: figure(run.models, "models"),
    queries: figure(run.queries, "queries"),
  } satisfies Figures;
  const row = (name: "daemon" | "executor", bound: number) => [
    name,
    most[name],
    bound,
    figures[`${name}.mostMiB`].met === true ? "yes" : "NO",
    `${(grown[name] * 100).toFixed(1)} %`,
    figures[`${name}.growth`].met === true ? "yes" : "NO",
  ];
  const head = ["resident", "most MiB", "bound", "met", "growth, last quarter", "at most 10 %"];
  say(`\n${table(head, [row("daemon", daemonMiB), row("executor", executorMiB)])}`);
  return figures;
}
