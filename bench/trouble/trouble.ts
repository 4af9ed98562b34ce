/**
 * What a job of a bad network costs the job beside it. The same healthy job runs alone, beside an innocent job of equal weight and
 * the same cost, beside one whose network ends every process that runs it, and beside one whose network never ends.
 * The innocent one takes half of the cluster, rightly: a bad one should not take more.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { IDunnoClient } from "../../src/client/client.ts";
import { makeModels } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import { type BenchContext, until } from "../bench.ts";
import { BenchCluster, inputFolders } from "../cluster.ts";
import { type ModelBytes, variantOf } from "../model-variant.ts";
import { figure, type Figures } from "../report.ts";
import { median } from "../statistics.ts";
import { type Cell, table } from "../table.ts";
import { WorkFollower } from "../work-follower.ts";
import { spoilt } from "./spoilt-model.ts";

const nodes = 5;
const model = "mobilenet_v2";
/** A hanging query of this many is given 30 + 10 × 4 s while nothing is known of its job. */
const batchSize = 4;
const photosPerFolder = 64;
/** The healthy job must outlast a window alone; a machine of two cores does some 150 a second. */
const folders = { full: 160, quick: 20 } as const;
/** Long enough, in full, that the hanging network's first time-out and what comes of it lie within. */
const windowMs = { full: 90_000, quick: 5_000 } as const;
const rounds = { full: 3, quick: 1 } as const;
/** The rate beside a bad job, of that beside an innocent one. */
const leastShare = 0.9;
/** A stuck executor is killed after the longest time-out, and starts anew. */
const idleMs = 180_000;
const followEveryMs = 20;

/** In this order, so that a quick run need not wait for the end of what hangs. */
const neighbours = ["nobody", "innocent", "aborting", "hanging"] as const;
type Neighbour = (typeof neighbours)[number];

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

interface Stage {
  readonly cluster: BenchCluster;
  readonly client: IDunnoClient;
  readonly follower: WorkFollower;
  readonly folders: number;
  readonly windowMs: number;
  readonly signal: AbortSignal;
}

export async function trouble(context: BenchContext): Promise<Figures> {
  const { quick, trials, scope, signal, say } = context;
  const pace = quick ? "quick" : "full";
  const [sound] = await makeModels(join(build, "models"), { only: [model] });
  if (sound === undefined) throw new TypeError("no such model");
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder);
  const cluster = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  say(`${nodes} nodes with a slot each; putting ${folders[pace] * photosPerFolder} inputs`);
  await cluster.putInputs(photos, folders[pace]);
  await cluster.addModel(sound);
  const original: ModelBytes = {
    manifest: sound.manifest,
    bytes: await readFile(sound.onnxFile),
  };
  await cluster.addModelBytes(variantOf(original, "innocent"));
  await cluster.addModelBytes(spoilt(original, "aborts", "aborting"));
  await cluster.addModelBytes(spoilt(original, "hangs", "hanging"));
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  const follower = scope.use(await WorkFollower.start(client, followEveryMs));
  const stage: Stage = {
    cluster,
    client,
    follower,
    folders: folders[pace],
    windowMs: windowMs[pace],
    signal,
  };
  const rates = new Map<Neighbour, number[]>(neighbours.map((each) => [each, []]));
  const count = trials ?? rounds[pace];
  for (let round = 1; round <= count; round += 1)
    for (const neighbour of neighbours) {
      const rate = await besideNeighbour(stage, neighbour, round < count || !quick);
      rates.get(neighbour)?.push(rate);
      say(`round ${round} of ${count}, beside ${neighbour}: ${rate.toFixed(1)} inputs/s`);
    }
  return conclude(context, rates, follower.downMs.size);
}

/** @returns inputs of the healthy job committed per second of the window, which begins when the neighbour has been submitted */
async function besideNeighbour(
  { cluster, client, follower, folders: count, windowMs: forMs, signal }: Stage,
  neighbour: Neighbour,
  waits: boolean,
): Promise<number> {
  const inputs = inputFolders(count);
  const { id } = await client.submitJob({ model, inputs, batchSize });
  const nodesSeen = (): number =>
    new Set(follower.completed.flatMap(({ job, node }) => (job === id ? [node] : []))).size;
  const waiting = { withinMs: idleMs, everyMs: 20, signal };
  await until({ ...waiting, what: "the healthy job on every node" }, async () =>
    nodesSeen() === nodes ? true : undefined,
  );
  const jobs = [id];
  if (neighbour !== "nobody")
    jobs.push((await client.submitJob({ model: neighbour, inputs, batchSize })).id);
  const fromMs = performance.now();
  await sleep(forMs, undefined, { signal });
  const toMs = performance.now();
  for (const job of jobs) {
    const { state } = await client.job(job);
    if (state === "running") await client.setJob(job, { state: "cancelled" });
  }
  // The rate is of what was seen; queries are small against the window.
  const mine = follower.completed.filter(
    ({ job, seenMs }) => job === id && seenMs >= fromMs && seenMs < toMs,
  );
  if (waits) await idle(cluster, { ...waiting, what: "idle executors" });
  return (mine.reduce((sum, { inputs: done }) => sum + done, 0) * 1000) / (toMs - fromMs);
}

/** What was cancelled has ended, and what hung has been killed. */
async function idle(cluster: BenchCluster, options: Parameters<typeof until>[0]): Promise<void> {
  await until(options, async () => {
    const views = await Promise.all(
      cluster.names.map(async (name) => cluster.client(name).status()),
    );
    const isIdle = views.every(
      ({ executor: { running, queued, pid } }) => running + queued === 0 && pid !== undefined,
    );
    return isIdle ? true : undefined;
  });
}

function conclude(
  { say }: BenchContext,
  rates: ReadonlyMap<Neighbour, readonly number[]>,
  down: number,
): Figures {
  const rateOf = (neighbour: Neighbour): number => median(rates.get(neighbour) ?? []);
  const share = (neighbour: Neighbour): number => rateOf(neighbour) / rateOf("innocent");
  const rows = neighbours.map((neighbour): Cell[] => {
    const isBad = neighbour === "aborting" || neighbour === "hanging";
    const verdict = isBad ? (share(neighbour) >= leastShare ? "yes" : "NO") : undefined;
    return [
      neighbour,
      rateOf(neighbour),
      share(neighbour),
      isBad ? leastShare : undefined,
      verdict,
    ];
  });
  say(`\n${table(["beside", "inputs/s", "of innocent", "at least", "met"], rows)}`);
  say(`${down} nodes were declared down`);
  return {
    "alone.rate": figure(rateOf("nobody"), "inputs/s"),
    "innocent.rate": figure(rateOf("innocent"), "inputs/s"),
    "aborting.rate": figure(rateOf("aborting"), "inputs/s"),
    "hanging.rate": figure(rateOf("hanging"), "inputs/s"),
    "aborting.share": figure(share("aborting"), "of innocent", { atLeast: leastShare }),
    "hanging.share": figure(share("hanging"), "of innocent", { atLeast: leastShare }),
    nodesDown: figure(down, "nodes", { atMost: 0 }),
  };
}
