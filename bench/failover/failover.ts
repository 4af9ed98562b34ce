/**
 * How fast a cluster of five gets over a death: that of its leader, of a worker, or of its attention to newcomers.
 * All times are taken by this process, a client; what each one means is in the file of its trial.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeModels } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster, inputFolder } from "../cluster.ts";
import { durations, type Figures } from "../report.ts";
import { summarize } from "../statistics.ts";
import { ms, table } from "../table.ts";
import { leaderTrial } from "./leader-trial.ts";
import { Load } from "./load.ts";
import { newcomerTrial } from "./newcomer-trial.ts";
import { workerTrial } from "./worker-trial.ts";

const nodes = 5;
const light = "mobilenet_v2";
const heavy = "inception_v3";
/** Trials of each kind; of fewer than a hundred, the 99th percentile is the slowest. */
const trialsByDefault = 20;
const trialsWhenQuick = 2;
/** A second job may wait for seconds: one trial must do when little time is. */
const newcomersWhenQuick = 1;
/** Distinct photos, and folders that each hold all of them. */
const photosPerFolder = 64;

interface Series {
  readonly name: string;
  readonly values: number[];
  readonly targets: { readonly medianMs?: number; readonly p99Ms?: number };
  /** What the original report measured for the same thing. */
  readonly originalMs?: number;
}

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

class Failover {
  readonly #context: BenchContext;
  readonly #cluster: BenchCluster;
  readonly #failures: string[] = [];
  readonly #series: Series[] = [];
  readonly #trials: number;

  constructor(context: BenchContext, cluster: BenchCluster) {
    this.#context = context;
    this.#cluster = cluster;
    this.#trials = context.trials ?? (context.quick ? trialsWhenQuick : trialsByDefault);
  }

  async leaderDeaths(how: "SIGKILL" | "SIGSTOP", target: string): Promise<void> {
    const write = this.#add(
      how === "SIGKILL"
        ? { name: "leaderKilled.nextWrite", targets: { medianMs: 150, p99Ms: 400 } }
        : { name: "leaderStopped.nextWrite", targets: { p99Ms: 1_500 } },
    );
    const { signal } = this.#context;
    await this.#repeat(`leader ${how}, idle`, async (turn) => {
      const { writeMs } = await leaderTrial(this.#cluster, { how, turn, target, signal });
      write.push(writeMs);
      return `next write after ${ms(writeMs)}`;
    });
  }

  async leaderDeathsUnderLoad(target: string, load: Load): Promise<void> {
    const results = this.#add({
      name: "leaderKilled.resultsCommit",
      targets: { p99Ms: 500 },
      originalMs: 11_235,
    });
    const write = this.#add({
      name: "leaderKilledUnderLoad.nextWrite",
      targets: { medianMs: 150, p99Ms: 400 },
    });
    const { signal } = this.#context;
    await this.#repeat("leader SIGKILL, all slots busy", async (turn) => {
      const options = { how: "SIGKILL", turn, target, load, signal } as const;
      const { writeMs, resultsMs = NaN } = await leaderTrial(this.#cluster, options);
      write.push(writeMs);
      results.push(resultsMs);
      return `results after ${ms(resultsMs)}, next write after ${ms(writeMs)}`;
    });
  }

  async workerDeaths(load: Load): Promise<void> {
    const reassigned = this.#add({
      name: "workerKilled.reassigned",
      targets: { medianMs: 200 },
      originalMs: 9_346,
    });
    const noticed = this.#add({ name: "workerKilled.noticed", targets: {} });
    const completed = this.#add({ name: "workerKilled.allItsQueriesDone", targets: {} });
    const { signal } = this.#context;
    await this.#repeat("worker SIGKILL", async (turn) => {
      const trial = await workerTrial(this.#cluster, { turn, load, signal });
      reassigned.push(trial.reassignedMs);
      noticed.push(trial.noticedMs);
      completed.push(trial.completedMs);
      return (
        `noticed after ${ms(trial.noticedMs)}, its ${trial.inHand} queries in other hands after ` +
        `${ms(trial.reassignedMs)}, done after ${ms(trial.completedMs)}`
      );
    });
  }

  async newcomers(load: Load): Promise<void> {
    const started = this.#add({
      name: "secondJob.firstQueryStarted",
      targets: { p99Ms: 150 },
      originalMs: 614,
    });
    const completed = this.#add({ name: "secondJob.firstQueryDone", targets: {} });
    const sentToStarted = this.#add({ name: "secondJob.sentToFirstQueryStarted", targets: {} });
    const sentToDone = this.#add({ name: "secondJob.sentToFirstQueryDone", targets: {} });
    const { quick, trials, signal } = this.#context;
    const count = trials ?? (quick ? newcomersWhenQuick : this.#trials);
    const trialOf = async (turn: number): Promise<string> => {
      const options = { turn, model: light, heavy: load, signal };
      const trial = await newcomerTrial(this.#cluster, options);
      started.push(trial.startedMs);
      completed.push(trial.completedMs);
      sentToStarted.push(trial.sentToStartedMs);
      sentToDone.push(trial.sentToCompletedMs);
      const { acknowledgedMs, assignedMs, startedMs, completedMs, heavyQueryMs } = trial;
      return (
        `acknowledged after ${ms(acknowledgedMs)}; then first query assigned after ${ms(assignedMs)}, begun ${ms(startedMs)}, ` +
        `done ${ms(completedMs)} (heavy queries took ${ms(heavyQueryMs)})`
      );
    };
    await this.#repeat("second job", trialOf, count);
  }

  /** Prints the table. */
  figures(): Figures {
    const { say } = this.#context;
    const head = ["ms", "n", "median", "p90", "p99", "max", "target", "met", "original"];
    const valid = this.#failures.length === 0;
    const figures: Record<string, Figures[string]> = {};
    const rows = this.#series.map(({ name, values, targets, originalMs }) => {
      const summary = summarize(values);
      const { n, median, p90, p99, max } = summary;
      const mine = durations(name, summary, targets, valid);
      Object.assign(figures, mine);
      const judged = Object.values(mine).filter(({ met }) => met !== undefined);
      const met = judged.length === 0 ? undefined : judged.every((each) => each.met);
      const target = [
        ...(targets.medianMs === undefined ? [] : [`median ${targets.medianMs}`]),
        ...(targets.p99Ms === undefined ? [] : [`p99 ${targets.p99Ms}`]),
      ].join(", ");
      const verdict = met === undefined ? undefined : met ? "yes" : "NO";
      return [name, n, median, p90, p99, max, target, verdict, originalMs];
    });
    say(`\n${table(head, rows)}`);
    say("p99 is by nearest rank: of fewer than 100 trials, the slowest.");
    for (const failure of this.#failures) say(`FAILED ${failure}`);
    return figures;
  }

  #add(series: Omit<Series, "values">): number[] {
    const values: number[] = [];
    this.#series.push({ ...series, values });
    return values;
  }

  /** A trial that fails is reported, spoils every verdict, and does not end the benchmark. */
  async #repeat(
    what: string,
    trial: (turn: number) => Promise<string>,
    trials = this.#trials,
  ): Promise<void> {
    const { say, signal, resultsDirectory } = this.#context;
    for (let turn = 0; turn < trials; turn += 1) {
      const title = `${what}, trial ${turn + 1} of ${trials}`;
      try {
        say(`${title}: ${await trial(turn)}`);
      } catch (error) {
        signal.throwIfAborted();
        const failure = `${title}: ${error instanceof Error ? error.message : String(error)}`;
        this.#failures.push(failure);
        say(`FAILED ${failure}`);
        await this.#cluster.keepLogs(join(resultsDirectory, "failover-logs"));
        await this.#cluster.mend();
      }
    }
  }
}

export async function failover(context: BenchContext): Promise<Figures> {
  const { quick, scope, signal, say } = context;
  const models = await makeModels(join(build, "models"), { only: [light, heavy] });
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder);
  const folders = quick ? 16 : 24;
  const cluster = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  const [lightModel, heavyModel] = [light, heavy].map((name) =>
    models.find(({ manifest }) => manifest.name === name),
  );
  if (lightModel === undefined || heavyModel === undefined) throw new TypeError("no such model");
  say(`${nodes} nodes in ${cluster.directory}; putting ${folders * photosPerFolder} inputs`);
  await cluster.putInputs(photos, folders);
  await cluster.addModel(lightModel);

  const target = await pausedJob(cluster);
  const bench = new Failover(context, cluster);
  await bench.leaderDeaths("SIGKILL", target);
  await bench.leaderDeaths("SIGSTOP", target);
  const lightLoad = new Load(cluster, { model: light, folders, leastInputs: 400 }, signal);
  await bench.leaderDeathsUnderLoad(target, lightLoad);
  await bench.workerDeaths(lightLoad);
  await lightLoad.stop();

  await cluster.addModel(heavyModel);
  // Once more, so that every node has run the newcomer's model since its last start.
  await lightLoad.start();
  await lightLoad.cancel();
  const heavyLoad = new Load(cluster, { model: heavy, folders, leastInputs: 200 }, signal);
  await heavyLoad.start();
  await bench.newcomers(heavyLoad);
  await heavyLoad.cancel();
  return bench.figures();
}

/** A job to write to that never gets anywhere. */
async function pausedJob(cluster: BenchCluster): Promise<string> {
  const client = cluster.anyClient();
  const { id } = await client.submitJob({
    name: "target of writes",
    model: light,
    inputs: [inputFolder(0)],
    batchSize: 1,
  });
  await client.setJob(id, { state: "paused" });
  return id;
}
