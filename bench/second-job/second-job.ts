/**
 * A second job comes to a cluster that one job of a ten times heavier network keeps busy: how long until its first
 * image is being inferred. Warm: its network has run on every node. Cold: the network is added a moment before the job
 * is submitted, so the nodes are fetching it, or have just begun to.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeModels } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { Load } from "../failover/load.ts";
import { type NewcomerTrial, newcomerTrial } from "../failover/newcomer-trial.ts";
import { type ModelBytes, variantOf } from "../model-variant.ts";
import { durations, type Figures } from "../report.ts";
import { summarize } from "../statistics.ts";
import { type Cell, ms, table } from "../table.ts";

const nodes = 5;
const light = "mobilenet_v2";
const heavy = "inception_v3";
/** Distinct photos, and folders that each hold all of them: the heavy job must outlast the trials. */
const photosPerFolder = 64;
const folders = { full: 24, quick: 4 } as const;
/** The heavy job is submitted anew when fewer inputs are left: a trial uses some tens. */
const leastInputs = { full: 200, quick: 60 } as const;
const warmTrials = { full: 50, quick: 3 } as const;
/** Each adds a model that stays loaded, so there are fewer. */
const coldTrials = { full: 10, quick: 1 } as const;
/** From the promise of the design; cold there is none. */
const warmP99Ms = 150;
/** What the original report measured, on one occasion. */
const originalMs = 614;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

interface Stage {
  readonly cluster: BenchCluster;
  readonly heavyLoad: Load;
  readonly failures: string[];
}

export async function secondJob(context: BenchContext): Promise<Figures> {
  const { quick, trials, scope, signal, say } = context;
  const pace = quick ? "quick" : "full";
  const models = await makeModels(join(build, "models"), { only: [light, heavy] });
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder);
  const cluster = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  say(`${nodes} nodes with a slot each; putting ${folders[pace] * photosPerFolder} inputs`);
  await cluster.putInputs(photos, folders[pace]);
  for (const model of models) await cluster.addModel(model);
  const load = { folders: folders[pace], leastInputs: leastInputs[pace] };
  // Every node runs the newcomer's model once.
  const lightLoad = new Load(cluster, { model: light, ...load }, signal);
  await lightLoad.start();
  await lightLoad.cancel();
  const heavyLoad = new Load(cluster, { model: heavy, ...load }, signal);
  await heavyLoad.start();
  const stage: Stage = { cluster, heavyLoad, failures: [] };

  const warm = await series(context, stage, {
    what: "warm",
    count: trials ?? warmTrials[pace],
    modelOf: async () => ({ model: light }),
  });
  const lightModel = models.find(({ manifest }) => manifest.name === light);
  if (lightModel === undefined) throw new TypeError("no such model");
  const { manifest, onnxFile } = lightModel;
  const original: ModelBytes = { manifest, bytes: await readFile(onnxFile) };
  const cold = await series(context, stage, {
    what: "cold",
    count: Math.min(trials ?? coldTrials[pace], coldTrials.full),
    modelOf: async (turn) => {
      const variant = variantOf(original, `${light}_cold_${turn + 1}`);
      return { model: variant.manifest.name, prepare: async () => cluster.addModelBytes(variant) };
    },
  });
  await heavyLoad.cancel();
  return conclude(context, { warm, cold, failures: stage.failures });
}

interface SeriesOptions {
  readonly what: string;
  readonly count: number;
  readonly modelOf: (
    turn: number,
  ) => Promise<{ readonly model: string; readonly prepare?: () => Promise<void> }>;
}

/** A trial that fails is reported, spoils every verdict, and does not end the benchmark. */
async function series(
  { signal, say, resultsDirectory }: BenchContext,
  { cluster, heavyLoad, failures }: Stage,
  { what, count, modelOf }: SeriesOptions,
): Promise<NewcomerTrial[]> {
  const done: NewcomerTrial[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const title = `${what}, trial ${turn + 1} of ${count}`;
    try {
      const { model, prepare } = await modelOf(turn);
      const options = { turn, model, heavy: heavyLoad, signal };
      const trial = await newcomerTrial(
        cluster,
        prepare === undefined ? options : { ...options, prepare },
      );
      done.push(trial);
      say(
        `${title}: acknowledged after ${ms(trial.acknowledgedMs)}; then assigned ${ms(trial.assignedMs)}, ` +
          `begun ${ms(trial.startedMs)}, done ${ms(trial.completedMs)} (heavy queries that ended meanwhile took ${ms(trial.heavyQueryMs)})`,
      );
    } catch (error) {
      signal.throwIfAborted();
      const failure = `${title}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(failure);
      say(`FAILED ${failure}`);
      await cluster.keepLogs(join(resultsDirectory, "second-job-logs"));
      await cluster.mend();
      await heavyLoad.start();
    }
  }
  return done;
}

interface Outcome {
  readonly warm: readonly NewcomerTrial[];
  readonly cold: readonly NewcomerTrial[];
  readonly failures: readonly string[];
}

function conclude({ say }: BenchContext, { warm, cold, failures }: Outcome): Figures {
  const figures: Record<string, Figures[string]> = {};
  const rows: Cell[][] = [];
  const add = (name: string, values: readonly number[], targetMs?: number): void => {
    const summary = summarize(values);
    const { n, median, p90, p99, max } = summary;
    const targets = targetMs === undefined ? {} : { p99Ms: targetMs };
    const mine = durations(name, summary, targets, failures.length === 0 && n > 0);
    Object.assign(figures, mine);
    const met = mine[`${name}.p99Ms`]?.met;
    const verdict = met === undefined ? undefined : met ? "yes" : "NO";
    const original = targetMs === undefined ? undefined : originalMs;
    rows.push([name, n, median, p90, p99, max, targetMs, verdict, original]);
  };
  const of = (trials: readonly NewcomerTrial[], key: keyof NewcomerTrial): number[] =>
    trials.map((trial) => trial[key]);
  add("warm.firstImage", of(warm, "startedMs"), warmP99Ms);
  add("warm.firstQueryDone", of(warm, "completedMs"));
  add("warm.sentToFirstImage", of(warm, "sentToStartedMs"));
  add("cold.firstImage", of(cold, "startedMs"));
  add("cold.firstQueryDone", of(cold, "completedMs"));
  add("cold.sentToFirstImage", of(cold, "sentToStartedMs"));
  const head = ["ms", "n", "median", "p90", "p99", "max", "p99 target", "met", "original"];
  say(`\n${table(head, rows)}`);
  say(
    "From the submission's acknowledgement (sent: from its sending) until a thread began the job's first query. p99 is by\n" +
      "nearest rank: of fewer than 100 trials, the slowest.",
  );
  for (const failure of failures) say(`FAILED ${failure}`);
  return figures;
}
