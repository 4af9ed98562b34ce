/**
 * How much of the machine's inference a cluster delivers: images per second of jobs over photos in SDFS, on one node
 * with a slot per core and on five nodes with a slot each, beside a loop that does nothing but decode and infer, with
 * as many threads and images of one run as a small search found best, and beside BullMQ where it is installed. The
 * measurements take turns, forwards in one round and backwards in the next, and the bare loop is measured before and
 * after each round, so that a change of the machine's speed shows. Clusters rest unless they are what is measured.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Scope } from "../../src/lib/scope.ts";
import { makeModels, type ReadyModel } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { type Figures, figure } from "../report.ts";
import { table } from "../table.ts";
import { warmUp } from "../warm-up.ts";
import { BareLoop } from "./bare.ts";
import { BullmqPeer } from "./bullmq.ts";
import { jobRate } from "./job-rate.ts";
import { plotLatency } from "./latency.ts";
import { missingRedis } from "./redis.ts";
import { compare, type Comparison, inTurn, type Round, tellCount } from "./rounds.ts";
import { bestOf, mostThreads, photosPerQuery, searchBare } from "./search.ts";

/** A hundred megabytes of ResNet-50 are too much for a rough answer. */
const modelNames = {
  full: ["mobilenet_v2", "inception_v3", "resnet50_random_weights"],
  quick: ["mobilenet_v2", "inception_v3"],
} as const;
/** Whose latency is plotted. */
const plotted = {
  full: modelNames.full as readonly string[],
  quick: ["mobilenet_v2"] as readonly string[],
} as const;
const nodes = 5;
const targets = { oneNode: 0.95, fiveNodes: 0.9 } as const;
const ahead = { atLeast: 1 } as const;
/** Distinct photos; each folder holds all of them, and a job takes whole folders. */
const photosPerFolder = { full: 64, quick: 16 } as const;
/** About how long each measurement takes; what is measured quickly is rough. */
const runMs = { full: 20_000, quick: 1_500 } as const;
const rounds = { full: 5, quick: 1 } as const;
/** The most folders that a job may need: a thousand images per second would need more. */
const mostFolders = { full: 80, quick: 12 } as const;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

interface Stage {
  /** Both are at rest between measurements. */
  readonly one: BenchCluster;
  readonly five: BenchCluster;
  readonly photos: readonly string[];
  readonly pace: "full" | "quick";
  readonly hasBullmq: boolean;
}

export async function throughput(context: BenchContext): Promise<Figures> {
  const { quick, scope, signal, say } = context;
  const pace = quick ? "quick" : "full";
  const slots = availableParallelism();
  const models = await makeModels(join(build, "models"), { only: modelNames[pace] });
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder[pace]);
  const start = async (layout: { nodes: number; slots: number }): Promise<BenchCluster> => {
    const cluster = scope.use(await BenchCluster.up({ ...layout, signal }));
    await cluster.putInputs(photos, mostFolders[pace]);
    for (const model of models) await cluster.addModel(model);
    await warmUp(cluster, { pace, signal });
    await cluster.rest();
    return cluster;
  };
  const one = await start({ nodes: 1, slots });
  const five = await start({ nodes, slots: 1 });
  say(`one node with ${slots} slots, and ${nodes} nodes with 1; each has ${models.length} models`);
  const missing = await missingRedis();
  if (missing !== undefined) say(`BullMQ is not measured beside: ${missing}`);
  const stage: Stage = { one, five, photos, pace, hasBullmq: missing === undefined };
  const comparisons: [string, Compared][] = [];
  for (const model of models)
    comparisons.push([model.manifest.name, await compareModel(context, stage, model)]);
  return conclude(context, comparisons);
}

interface Compared extends Comparison {
  /** Photos of a query. */
  readonly batchSize: number;
}

async function compareModel(
  context: BenchContext,
  stage: Stage,
  { manifest, onnxFile }: ReadyModel,
): Promise<Compared> {
  const { signal, say } = context;
  const { one, five, photos, pace, hasBullmq } = stage;
  const { name, sha256 } = manifest;
  const loop = { model: { sha256, path: onnxFile, manifest }, photos };
  await using bare = await BareLoop.start({
    ...loop,
    processes: 1,
    threadsPerProcess: mostThreads,
  });
  const findings = await searchBare(bare, pace);
  const best = bestOf(findings);
  for (const { threads, batch, perSecond } of findings)
    say(`${name}, bare loop, ${threads} threads, ${batch} at once: ${perSecond.toFixed(1)}/s`);
  await using bareMany = await BareLoop.start({ ...loop, processes: nodes, threadsPerProcess: 1 });
  const ms = runMs[pace];
  const wanted = Math.ceil((best.perSecond * ms) / 1000 / photosPerFolder[pace]);
  const folders = Math.min(mostFolders[pace], wanted);
  const batchSize = photosPerQuery(best.perSecond, availableParallelism());
  say(`${name}: ${batchSize} photos a query, and a job of BullMQ`);
  // Micro-batch sizes are tried, and what executors and workers do often is compiled.
  const job = { model: name, folders, batchSize, signal };
  for (const cluster of [one, five]) await cluster.awake(async () => jobRate(cluster, job));

  const { batch } = best;
  const bullmq = hasBullmq
    ? await BullmqPeer.start({ ...loop, batch, photosPerJob: batchSize, signal })
    : undefined;
  await using peer = new Scope();
  if (bullmq !== undefined) {
    peer.use(bullmq);
    await bullmq.rate(folders * photosPerFolder[pace]);
  }
  const measured = await playRounds(context, stage, {
    name,
    folders,
    batchSize,
    bare: async () => bare.rate({ ms, ...best }),
    bareProcesses: async () => bareMany.rate({ ms, batch }),
    bullmq: async () => bullmq?.rate(folders * photosPerFolder[pace]) ?? NaN,
  });
  if (plotted[pace].includes(name)) {
    const clusters = [
      { name: "one node", cluster: one },
      { name: `${nodes} nodes`, cluster: five },
    ];
    const half = Math.max(1, Math.ceil(folders / 2));
    await plotLatency(context, { model: name, folders: half, clusters, bare: findings });
  }
  return { ...compare(measured), batchSize };
}

interface RoundsOptions {
  readonly name: string;
  readonly folders: number;
  readonly batchSize: number;
  /** Each measures once, in images per second. */
  readonly bare: () => Promise<number>;
  readonly bareProcesses: () => Promise<number>;
  /** NaN where there is none. */
  readonly bullmq: () => Promise<number>;
}

async function playRounds(
  { signal, say, trials }: BenchContext,
  { one, five, pace }: Stage,
  { name, folders, batchSize, bare, bareProcesses, bullmq }: RoundsOptions,
): Promise<Round[]> {
  const measured: Round[] = [];
  const job = { model: name, folders, batchSize, signal };
  const count = trials ?? rounds[pace];
  for (let i = 0; i < count; i += 1) {
    signal.throwIfAborted();
    let isSteady = true;
    const rateOf = async (cluster: BenchCluster): Promise<number> => {
      const { perSecond, steady } = await cluster.awake(async () => jobRate(cluster, job));
      isSteady &&= steady;
      return perSecond;
    };
    const bareBefore = await bare();
    const between = await inTurn(
      {
        oneNode: async () => rateOf(one),
        fiveNodes: async () => rateOf(five),
        bullmq,
        bareProcesses,
      },
      { backwards: i % 2 === 1 },
    );
    const bareAfter = await bare();
    measured.push({ bareBefore, ...between, bareAfter });
    const { oneNode, fiveNodes, bullmq: peer, bareProcesses: processes } = between;
    const rates = [bareBefore, oneNode, fiveNodes, peer, processes, bareAfter];
    const rough = isSteady ? "" : " (jobs too short for a steady rate)";
    say(
      `${name}, round ${i + 1} of ${count}, images/s: bare, one node, five nodes, BullMQ, bare ×${nodes}, bare: ` +
        rates.map((rate) => (Number.isNaN(rate) ? "-" : rate.toFixed(1))).join(", ") +
        rough,
    );
  }
  return measured;
}

function conclude(
  { say }: BenchContext,
  comparisons: readonly (readonly [string, Compared])[],
): Figures {
  const figures: Record<string, Figures[string]> = {};
  const rows = comparisons.flatMap(([name, comparison]) => {
    const { counted, batchSize, bare, bareProcesses, oneNode, fiveNodes } = comparison;
    const { oneNodeToBare, fiveNodesToBare, fiveNodesToBareProcesses } = comparison;
    const { bullmq, oneNodeToBullmq, fiveNodesToBullmq } = comparison;
    const hasBullmq = !Number.isNaN(bullmq);
    const valid = counted > 0;
    const goals = { one: { atLeast: targets.oneNode }, five: { atLeast: targets.fiveNodes } };
    const one = figure(oneNodeToBare, "of bare", goals.one, valid);
    const five = figure(fiveNodesToBare, "of bare", goals.five, valid);
    Object.assign(figures, {
      [`${name}.oneNodeToBare`]: one,
      [`${name}.fiveNodesToBare`]: five,
      [`${name}.fiveNodesToBareProcesses`]: figure(fiveNodesToBareProcesses, "of bare"),
      [`${name}.bare`]: figure(bare, "images/s"),
      [`${name}.bareProcesses`]: figure(bareProcesses, "images/s"),
      [`${name}.oneNode`]: figure(oneNode, "images/s"),
      [`${name}.fiveNodes`]: figure(fiveNodes, "images/s"),
      [`${name}.photosPerQuery`]: figure(batchSize, "photos"),
      [`${name}.roundsCounted`]: figure(counted, "rounds"),
      ...(hasBullmq
        ? {
            [`${name}.bullmq`]: figure(bullmq, "images/s"),
            [`${name}.oneNodeToBullmq`]: figure(oneNodeToBullmq, "of BullMQ", ahead, valid),
            [`${name}.fiveNodesToBullmq`]: figure(fiveNodesToBullmq, "of BullMQ", ahead, valid),
          }
        : {}),
    });
    const verdict = (met: boolean | undefined): string => (met === true ? "yes" : "NO");
    return [
      [`${name}: bare loop`, bare, 1],
      [`${name}: bare loop, ${nodes} processes`, bareProcesses, bareProcesses / bare],
      ...(hasBullmq ? [[`${name}: BullMQ`, bullmq, bullmq / bare]] : []),
      [`${name}: one node`, oneNode, oneNodeToBare, targets.oneNode, verdict(one.met)],
      [`${name}: ${nodes} nodes`, fiveNodes, fiveNodesToBare, targets.fiveNodes, verdict(five.met)],
    ];
  });
  say(`\n${table(["medians", "images/s", "of bare", "target", "met"], rows)}`);
  for (const [name, comparison] of comparisons) say(tellCount(name, comparison));
  return figures;
}
