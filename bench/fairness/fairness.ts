/**
 * Fair time, seen from outside: jobs of networks that differ 10:1 and more in cost, while one joins, one leaves, and
 * weights and batch sizes change. How far each job has come is read from the nodes' metrics, and which query was done
 * when, and how long a slot took for it, from the log.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { IDunnoClient } from "../../src/client/client.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import { makeModels } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import { type BenchContext, until } from "../bench.ts";
import { BenchCluster, inputFolders } from "../cluster.ts";
import { type Figures, writePlot } from "../report.ts";
import { WorkFollower } from "../work-follower.ts";
import { inputsNeeded } from "./needs.ts";
import { type Course, course, type Stage } from "./course.ts";
import { ProgressFollower } from "./progress.ts";
import { conclude, fairnessPlot } from "./verdict.ts";
import type { Phase } from "./windows.ts";

const nodes = 5;
const slotsPerNode = 1;
/** Distinct photos; each folder holds all of them, and every job takes all folders. */
const photosPerFolder = 64;
/** Folders of the warm-up, which measures what an input costs. */
const warmFolders = 1;
/** Small, so that every node has some of the warm-up. */
const warmBatch = 4;
/** 25,600 inputs: a machine ten times as fast as two cores of today has enough. */
const mostFolders = 400;
/** Some times what a query of 32 of the most expensive network takes on a busy machine. */
const withinMs = 5 * 60_000;
const followEveryMs = 10;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

interface Running {
  readonly client: IDunnoClient;
  readonly follower: WorkFollower;
  readonly folders: number;
  /** Ids of the jobs by model. */
  readonly jobs: Map<string, string>;
}

export async function fairness(context: BenchContext): Promise<Figures> {
  const { quick, trials, scope, signal, say, resultsDirectory } = context;
  const plan = course(quick, trials);
  const models = await makeModels(join(build, "models"), { only: plan.models });
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder);
  const cluster = scope.use(await BenchCluster.up({ nodes, slots: slotsPerNode, signal }));
  await cluster.putInputs(photos, warmFolders);
  for (const model of models) await cluster.addModel(model);
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  const follower = scope.use(await WorkFollower.start(client, followEveryMs));
  const progress = scope.use(new ProgressFollower(cluster.addresses));

  const inputMs = new Map<string, number>();
  for (const model of plan.models) {
    inputMs.set(model, await warm({ client, follower, signal }, model));
    say(`${model}: ${(inputMs.get(model) ?? NaN).toFixed(1)} ms of a slot per input`);
  }
  const folders = foldersFor(plan, inputMs);
  say(`${nodes} nodes with a slot each; putting ${folders * photosPerFolder} inputs for each job`);
  await cluster.putInputs(photos, folders, warmFolders);

  const running: Running = { client, follower, folders, jobs: new Map() };
  const phases: Phase[] = [];
  for (const stage of plan.stages) phases.push(await play(context, plan, { running, stage }));
  await drain(running, signal);
  progress.refuseIfFailed();
  const slots = nodes * slotsPerNode;
  const names = new Map([...running.jobs].map(([model, job]) => [job, model]));
  const { readings } = progress;
  const queries = follower.completed;
  const measured = { phases, readings, queries, names, slots, windowMs: plan.windowMs };
  const plotFile = await writePlot(resultsDirectory, "fairness", fairnessPlot(measured));
  const figures = conclude(measured, nodes, say);
  say(`plot over time: ${plotFile}`);
  return figures;
}

/** One folder of it alone. @returns a slot's time for an input while all slots are busy */
async function warm(
  { client, follower, signal }: Pick<Running, "client" | "follower"> & { signal: AbortSignal },
  model: string,
): Promise<number> {
  const inputs = inputFolders(warmFolders);
  const { id } = await client.submitJob({ model, inputs, batchSize: warmBatch });
  const what = `the warm-up of ${model}`;
  return until({ what, withinMs, everyMs: 50, signal }, async () => {
    const { state, totalInputs } = await client.job(id);
    if (state !== "running" && state !== "done")
      throw new IDunnoError("JOB_FAILED", { job: id, why: `${what} is ${state}` });
    const mine = follower.completed.filter(({ job }) => job === id);
    const sum = (of: (query: (typeof mine)[number]) => number): number =>
      mine.reduce((total, query) => total + of(query), 0);
    const inputsDone = sum(({ inputs: count }) => count);
    if (inputsDone < totalInputs) return undefined;
    return Math.max(0.1, sum(({ elapsedMs }) => elapsedMs) / inputsDone);
  });
}

function foldersFor({ stages, windows, windowMs }: Course, inputMs: Map<string, number>): number {
  const phases = stages.map(({ batchSize, weights }) => ({
    seconds: (windows * windowMs) / 1000,
    batchSize,
    jobs: Object.entries(weights).map(([key, weight]) => ({
      key,
      weight,
      inputMs: inputMs.get(key) ?? NaN,
    })),
  }));
  const inputs = inputsNeeded(phases, nodes * slotsPerNode);
  return Math.min(mostFolders, Math.ceil(inputs / photosPerFolder));
}

/** Makes the cluster's jobs those of the stage, and lets them run. */
async function play(
  { signal, say }: BenchContext,
  { windows, windowMs }: Course,
  { running, stage }: { readonly running: Running; readonly stage: Stage },
): Promise<Phase> {
  const { client, jobs, folders } = running;
  for (const [model, job] of jobs)
    if (stage.weights[model] === undefined) await client.setJob(job, { state: "paused" });
  for (const [model, weight] of Object.entries(stage.weights)) {
    const { batchSize } = stage;
    const known = jobs.get(model);
    if (known === undefined) {
      const inputs = inputFolders(folders);
      const { id } = await client.submitJob({ model, name: model, inputs, batchSize, weight });
      jobs.set(model, id);
    } else {
      const { state } = await client.setJob(known, { batchSize, weight });
      if (state === "paused") await client.setJob(known, { state: "running" });
    }
  }
  const fromMs = performance.now();
  const toMs = fromMs + windows * windowMs;
  say(`${stage.name}: ${windows} windows of ${windowMs / 1000} s`);
  await sleep(toMs - fromMs, undefined, { signal });
  const members = Object.entries(stage.weights).map(([model, weight]) => {
    return { job: jobs.get(model) ?? "", weight };
  });
  for (const { job } of members) {
    const { state, name, totalInputs } = await client.job(job);
    if (state !== "running")
      throw new IDunnoError("JOB_FAILED", {
        job,
        why: `${name} is ${state} in the middle of a phase; ${totalInputs} inputs were too few`,
      });
  }
  return { name: stage.name, fromMs, toMs, jobs: members };
}

/** Lets what is in hand be finished, since the last window needs its time, and ends the jobs. */
async function drain({ client, follower, jobs }: Running, signal: AbortSignal): Promise<void> {
  const what = "the last queries of all jobs";
  for (const job of jobs.values()) await client.setJob(job, { state: "paused" });
  await until({ what, withinMs, everyMs: 50, signal }, async () => {
    const views = await Promise.all([...jobs.values()].map(async (job) => client.job(job)));
    const seen = (id: string): number => follower.completed.filter(({ job }) => job === id).length;
    return views.every(
      ({ id, openQueries, doneQueries }) => openQueries === 0 && seen(id) >= doneQueries,
    )
      ? true
      : undefined;
  });
  for (const job of jobs.values()) await client.setJob(job, { state: "cancelled" });
}
