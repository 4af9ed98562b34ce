/**
 * How much of the machine's inference a cluster delivers: images per second of jobs over photos in SDFS, on one node
 * with a slot per core and on five nodes with a slot each, beside a loop that does nothing but decode and infer. The
 * measurements take turns, and the bare loop is measured before and after each round, so that a change of the
 * machine's speed shows.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { makeModels, type ReadyModel } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { type Figures, figure } from "../report.ts";
import { table } from "../table.ts";
import { BareLoop } from "./bare.ts";
import { jobRate } from "./job-rate.ts";
import { agreement, compare, type Comparison, type Round } from "./rounds.ts";

const modelNames = ["mobilenet_v2", "inception_v3"];
const nodes = 5;
const targets = { oneNode: 0.95, fiveNodes: 0.9 } as const;
/** Distinct photos; each folder holds all of them, and a job takes whole folders. */
const photosPerFolder = { full: 64, quick: 16 } as const;
/** About how long each measurement takes; what is measured quickly is rough. */
const runMs = { full: 20_000, quick: 1_500 } as const;
const rounds = { full: 5, quick: 1 } as const;
/** The most folders that a job may need: a thousand images per second would need more. */
const mostFolders = { full: 80, quick: 12 } as const;
/** Folders of a warm-up: each slot tries its micro-batch sizes on some twenty inputs, or at least runs once. */
const warmFolders = { full: 4, quick: 3 } as const;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

interface Stage {
  readonly one: BenchCluster;
  readonly five: BenchCluster;
  readonly photos: readonly string[];
  readonly pace: "full" | "quick";
}

export async function throughput(context: BenchContext): Promise<Figures> {
  const { quick, scope, signal, say } = context;
  const pace = quick ? "quick" : "full";
  const slots = availableParallelism();
  const models = await makeModels(join(build, "models"), { only: modelNames });
  const photos = await makePhotos(join(build, "bench-photos"), photosPerFolder[pace]);
  const one = scope.use(await BenchCluster.up({ nodes: 1, slots, signal }));
  const five = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  for (const cluster of [one, five]) {
    await cluster.putInputs(photos, mostFolders[pace]);
    for (const model of models) await cluster.addModel(model);
  }
  say(`one node with ${slots} slots, and ${nodes} nodes with 1; each has ${models.length} models`);
  const comparisons: [string, Comparison][] = [];
  for (const model of models)
    comparisons.push([
      model.manifest.name,
      await compareModel(context, { one, five, photos, pace }, model),
    ]);
  return conclude(context, comparisons);
}

async function compareModel(
  { signal, say, trials }: BenchContext,
  { one, five, photos, pace }: Stage,
  { manifest, onnxFile }: ReadyModel,
): Promise<Comparison> {
  const { name, sha256 } = manifest;
  const model = { sha256, path: onnxFile, manifest };
  const threads = availableParallelism();
  const loop = { model, photos };
  await using bare = await BareLoop.start({ ...loop, processes: 1, threadsPerProcess: threads });
  await using bareMany = await BareLoop.start({ ...loop, processes: nodes, threadsPerProcess: 1 });
  const ms = runMs[pace];
  const warm = { model: name, folders: warmFolders[pace], signal };
  for (const cluster of [one, five]) await jobRate(cluster, warm);
  const perSecond = await bare.rate(ms / 2);
  const wanted = Math.ceil((perSecond * ms) / 1000 / photosPerFolder[pace]);
  const job = { model: name, folders: Math.min(mostFolders[pace], wanted), signal };

  const measured: Round[] = [];
  const count = trials ?? rounds[pace];
  for (let i = 0; i < count; i += 1) {
    signal.throwIfAborted();
    const bareBefore = await bare.rate(ms);
    const [oneNode, fiveNodes] = [await jobRate(one, job), await jobRate(five, job)];
    const bareProcesses = await bareMany.rate(ms);
    const bareAfter = await bare.rate(ms);
    const [oneRate, fiveRate] = [oneNode.perSecond, fiveNodes.perSecond];
    measured.push({ bareBefore, bareAfter, bareProcesses, oneNode: oneRate, fiveNodes: fiveRate });
    const rates = [bareBefore, oneRate, fiveRate, bareProcesses, bareAfter];
    const rough = oneNode.steady && fiveNodes.steady ? "" : " (jobs too short for a steady rate)";
    say(
      `${name}, round ${i + 1} of ${count}, images/s: bare, one node, five nodes, bare ×${nodes}, bare: ` +
        rates.map((rate) => rate.toFixed(1)).join(", ") +
        rough,
    );
  }
  return compare(measured);
}

function conclude(
  { say }: BenchContext,
  comparisons: readonly (readonly [string, Comparison])[],
): Figures {
  const figures: Record<string, Figures[string]> = {};
  const rows = comparisons.flatMap(([name, comparison]) => {
    const { counted, bare, bareProcesses, oneNode, fiveNodes } = comparison;
    const { oneNodeToBare, fiveNodesToBare, fiveNodesToBareProcesses } = comparison;
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
      [`${name}.roundsCounted`]: figure(counted, "rounds"),
    });
    const verdict = (met: boolean | undefined): string => (met === true ? "yes" : "NO");
    return [
      [`${name}: bare loop`, bare, 1],
      [`${name}: bare loop, ${nodes} processes`, bareProcesses, bareProcesses / bare],
      [`${name}: one node`, oneNode, oneNodeToBare, targets.oneNode, verdict(one.met)],
      [`${name}: ${nodes} nodes`, fiveNodes, fiveNodesToBare, targets.fiveNodes, verdict(five.met)],
    ];
  });
  say(`\n${table(["medians", "images/s", "of bare", "target", "met"], rows)}`);
  for (const [name, { rounds: all, counted }] of comparisons)
    say(
      `${name}: ${counted} of ${all} rounds count (bare loop before and after within ${agreement * 100} %)` +
        (counted === 0 ? "; none does, so these are medians of all, and no target is met" : ""),
    );
  return figures;
}
