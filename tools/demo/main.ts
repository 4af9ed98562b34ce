/**
 * `npm run demo`: what IDunno is for, in one command. Five real daemons on loopback, 240 photos, two networks, two
 * jobs, a coordinator killed half-way; then the proof that nothing was lost, doubled or changed. Leaves no process
 * behind, whatever happens.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import { filesToPut } from "../../src/cli/sdfs/local-files.ts";
import type { JobView } from "../../src/lib/api/jobs.ts";
import { makeModels } from "../models/models.ts";
import { makePhotos } from "../photos/photos.ts";
import { type DemoOptions, readOptions, usage } from "./options.ts";
import { everyInputOnce, type Results, sameBytes, summary } from "./verify.ts";
import { share, watchRecovery, watchUntil } from "./watch.ts";
import {
  addModel,
  clientOf,
  localClientOf,
  modelNames,
  type Picture,
  resultsFile,
  submit,
  uploadPictures,
} from "./workload.ts";

const photoCount = 240;
const modelFolder = "build/models";
const startedAt = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${text}`);
}

async function pictures({ images }: DemoOptions): Promise<Picture[]> {
  const folder = images === undefined ? "build/photos" : resolve(images);
  if (images === undefined) await makePhotos(folder, photoCount);
  const found = await filesToPut([folder], "photos", { recursive: true });
  if (found.length === 0) throw new Error(`there are no images in ${folder}`);
  return found.map(({ local, path }) => ({ local, path }));
}

/** Uploads, adds the models, submits both jobs. */
async function begin(
  cluster: DevCluster,
  files: readonly Picture[],
  signal: AbortSignal,
): Promise<JobView[]> {
  const client = clientOf(cluster.endpoints);
  const bytes = await uploadPictures(client, files, signal);
  say(`${files.length} photos (${(bytes / 1e6).toFixed(0)} MB) stored in SDFS`);
  for (const name of modelNames) await addModel(client, name, modelFolder, signal);
  say(`models added: ${modelNames.join(", ")}`);
  const jobs: JobView[] = [];
  for (const name of modelNames) jobs.push(await submit(client, name, signal));
  say(`jobs submitted: ${jobs.map(({ id, name }) => `${id} (${name})`).join(", ")}`);
  return jobs;
}

const finished = (jobs: readonly JobView[]): boolean => jobs.every(({ state }) => state === "done");

async function collect(
  cluster: DevCluster,
  jobs: readonly JobView[],
  signal: AbortSignal,
): Promise<Map<string, { readonly job: JobView; readonly results: Results }>> {
  const client = clientOf(cluster.endpoints);
  const found = new Map<string, { job: JobView; results: Results }>();
  for (const job of jobs)
    found.set(job.name, { job, results: await resultsFile(client, job, signal) });
  return found;
}

/** At half of the work: SIGKILL for the leader, a stop-watch, and the node back again. */
async function killLeader(
  cluster: DevCluster,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const client = clientOf(cluster.endpoints);
  const { leader, term } = await client.status({ signal });
  const survivorView = cluster.nodes.find(({ name }) => name !== leader);
  if (leader === undefined || survivorView === undefined) throw new Error("there is no leader");
  const survivor = localClientOf(survivorView.httpAddress);
  say(`killing the coordinator ${leader} with SIGKILL`);
  const killedAt = performance.now();
  await cluster.kill(leader, "SIGKILL");
  const recovery = await watchRecovery(survivor, { term, ids, killedAt }, signal);
  say(
    `${recovery.leader} leads after ${recovery.leaderMs.toFixed(0)} ms; next committed result after ${recovery.resultMs.toFixed(0)} ms (the original report: 11,235 ms)`,
  );
  await cluster.restart(leader);
  say(`${leader} is back`);
}

async function disturbed(
  cluster: DevCluster,
  files: readonly Picture[],
  signal: AbortSignal,
): Promise<Map<string, { readonly job: JobView; readonly results: Results }>> {
  const submitted = await begin(cluster, files, signal);
  const ids = submitted.map(({ id }) => id);
  const client = clientOf(cluster.endpoints);
  await watchUntil(client, ids, (jobs) => share(jobs) >= 0.5 || finished(jobs), signal);
  await killLeader(cluster, ids, signal);
  const jobs = await watchUntil(client, ids, finished, signal);
  return collect(cluster, jobs, signal);
}

function report(
  runs: Awaited<ReturnType<typeof disturbed>>,
  undisturbed: Awaited<ReturnType<typeof disturbed>>,
  paths: readonly string[],
): void {
  for (const [name, { job, results }] of runs) {
    const s = job.statistics;
    say(
      `${name}: ${job.doneInputs} images in ${(job.elapsedMs / 1000).toFixed(1)} s, query time median ${s.medianMs.toFixed(0)} ms, p99 ${s.p99Ms.toFixed(0)} ms, ${job.retries} retries`,
    );
    say(`${name}: ${summary(results)}`);
    const reference = undisturbed.get(name)?.results;
    if (reference === undefined) throw new Error(`there is no undisturbed run of ${name}`);
    everyInputOnce(results, paths);
    sameBytes(job, results, reference);
  }
  console.log(
    `verified: every one of the ${paths.length} inputs is in each of the ${runs.size} results exactly once`,
  );
  const hashes = [...runs].map(([name, { results }]) => `${name} ${results.sha256.slice(0, 16)}`);
  console.log(
    `verified: the SHA-256 of each results file equals that of an undisturbed single-node run (${hashes.join(", ")})`,
  );
}

async function demo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  await makeModels(modelFolder, { only: modelNames });
  const files = await pictures(options);
  say(`ready: ${files.length} photos, models ${modelNames.join(", ")}`);
  const directory = await mkdtemp(join(tmpdir(), "idunno-demo-"));
  const note = (text: string): void => say(text);
  let keep = false;
  let cluster: DevCluster | undefined;
  try {
    say("undisturbed run on a single node, for comparison");
    const alone = await DevCluster.up({
      directory: join(directory, "alone"),
      nodes: 1,
      slots: 2,
      basePort: 0,
      readyMs: 60_000,
      signal,
    });
    cluster = alone;
    const reference = await begin(alone, files, signal);
    const ids = reference.map(({ id }) => id);
    const jobs = await watchUntil(clientOf(alone.endpoints), ids, finished, signal);
    const undisturbed = await collect(alone, jobs, signal);
    await alone.down({ wipe: true });

    say(`starting ${options.nodes} nodes`);
    cluster = await DevCluster.up({
      directory: join(directory, "cluster"),
      nodes: options.nodes,
      slots: 1,
      basePort: 0,
      readyMs: 60_000,
      note,
      signal,
    });
    const runs = await disturbed(cluster, files, signal);
    report(
      runs,
      undisturbed,
      files.map(({ path }) => path),
    );
    keep = options.keep;
    if (keep)
      console.log(
        `the cluster stays up: export IDUNNO_NODE=${cluster.endpoints.join(",")}; take it down with: node dist/src/cli/main.js dev down --dir ${cluster.directory}`,
      );
  } finally {
    if (!keep) {
      await cluster?.down({ stopMs: 2_000, wipe: true });
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));
  await demo(options, interrupted.signal);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
