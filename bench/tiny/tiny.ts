/**
 * Ten thousand tiny inputs with known answers: pictures of one word, upright or turned, for the text-orientation
 * network. It costs a millisecond or two, so what a system adds to each input shows here more than anywhere else: in
 * queries per second, beside what the network alone could do on the same cores, and in bytes of the log.
 */
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeModels, type ReadyModel } from "../../tools/models/models.ts";
import { makeTextImages, type TextImage } from "../../tools/photos/text-images.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { runJob } from "../run-job.ts";
import { type Figures, figure } from "../report.ts";
import { spread } from "../statistics.ts";
import { table } from "../table.ts";
import { BareLoop } from "../throughput/bare.ts";
import { jobSteadyRate } from "../throughput/steady.ts";
import { logBytes } from "./log-bytes.ts";

/**
 * Five daemons share this machine's cores with inference; one is what a machine of a real cluster has. Limited by
 * inference is who comes as near to the bare loop as `throughput` demands.
 */
const layouts = {
  fiveNodes: { nodes: 5, slots: 1, name: "five nodes", toBare: 0.9 },
  oneNode: { nodes: 1, slots: availableParallelism(), name: "one node", toBare: 0.95 },
} as const;
const modelName = "text_orientation";
const inputs = { full: 10_000, quick: 400 } as const;
/**
 * Other inputs that run before, twice: one to a query, since what daemons do often is compiled over some thousands of queries
 * (warm-up.ts), and as many to a query as by default, so that each node tries its micro-batch sizes.
 */
const warmInputs = { full: 10_000, quick: 300 } as const;
const bareMs = { full: 5_000, quick: 1_000 } as const;
/** Images of one run of the network alone: the best of these counts. */
const bareBatches = [1, 8];
/** Inputs of a query: as by default, and as suits inputs that cost so little. */
const batches = { usual: undefined, large: 64 } as const;
const warmBatches = [1, batches.usual];
const lookEveryMs = 1_000;
const targets = { accuracy: 0.97, logBytes: 100 } as const;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

export async function tiny(context: BenchContext): Promise<Figures> {
  const { quick, signal, say } = context;
  const pace = quick ? "quick" : "full";
  const [model] = await makeModels(join(build, "models"), { only: [modelName] });
  if (model === undefined) throw new TypeError("no such model");
  const all = inputs[pace] + warmInputs[pace];
  const made = await makeTextImages(join(build, `bench-text-${pace}`), all);
  const [images, warm] = [made.slice(0, inputs[pace]), made.slice(inputs[pace])];
  // On either side of each: a machine's speed drifts.
  const alone = async (): Promise<Alone> => networkAlone(model, images, bareMs[pace]);
  const before = await alone();
  const five = await measure(layouts.fiveNodes, { model, images, warm, signal, say });
  const between = await alone();
  const one = await measure(layouts.oneNode, { model, images, warm, signal, say });
  const after = await alone();
  const compared = {
    fiveNodes: { runs: five.runs, alone: meanOf(before, between) },
    oneNode: { runs: one.runs, alone: meanOf(between, after) },
  };
  return conclude(say, { compared, accuracy: five.accuracy, inputs: images.length });
}

interface Compared {
  readonly runs: Runs;
  readonly alone: MeanAlone;
}

type Runs = Readonly<Record<keyof typeof batches, JobRun>>;

/** Both jobs on a cluster of that layout, which is alone on the machine meanwhile. */
async function measure(
  { nodes, slots, name }: (typeof layouts)[keyof typeof layouts],
  options: {
    readonly model: ReadyModel;
    readonly images: readonly TextImage[];
    readonly warm: readonly TextImage[];
    readonly signal: AbortSignal;
    readonly say: BenchContext["say"];
  },
): Promise<{ readonly runs: Runs; readonly accuracy: number }> {
  const { model, images, warm, signal, say } = options;
  await using cluster = await BenchCluster.up({ nodes, slots, signal });
  say(`${name}, ${slots} at a time each; putting ${images.length + warm.length} inputs`);
  const filesOf = (folder: string, some: readonly TextImage[]) =>
    some.map(({ file }) => ({ path: `${folder}${basename(file)}`, local: file }));
  await cluster.putSmallFiles(filesOf("warm/", warm));
  await cluster.putSmallFiles(filesOf("tiny/", images));
  await cluster.addModel(model);
  const { leader } = await cluster.healthy();
  const run = async (folder: string, batchSize: number | undefined): Promise<JobRun> =>
    measureJob(cluster, { leader, folder, batchSize, signal });
  for (const batchSize of warmBatches) await run("warm/", batchSize);
  const usual = await run("tiny/", batches.usual);
  const accuracy = await accuracyOf(cluster, usual.id, images);
  const large = await run("tiny/", batches.large);
  return { runs: { usual, large }, accuracy };
}

interface JobRun {
  readonly id: string;
  readonly batchSize: number;
  readonly perSecond: number;
  /** Of all that was committed from the submission to the end, per input. */
  readonly logBytesPerInput: number;
}

async function measureJob(
  cluster: BenchCluster,
  {
    leader,
    folder,
    batchSize,
    signal,
  }: {
    readonly leader: string;
    readonly folder: string;
    readonly batchSize: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<JobRun> {
  const client = cluster.client(leader);
  const { commitIndex } = await client.pinned().status();
  const { job, queries } = await runJob(
    client,
    { model: modelName, inputs: [folder], ...(batchSize === undefined ? {} : { batchSize }) },
    { everyMs: lookEveryMs, signal },
  );
  const { commitIndex: endIndex } = await client.pinned().status();
  const span = { from: commitIndex + 1, to: endIndex };
  const bytes = await logBytes(async (page) => client.log(page), span);
  return {
    id: job.id,
    batchSize: job.batchSize,
    perSecond: jobSteadyRate(queries).perSecond,
    logBytesPerInput: bytes / job.totalInputs,
  };
}

interface Alone {
  /** Images per second on all cores: only the network, on images that are decoded already. */
  readonly networkPerSecond: number;
  /** The same with decoding. */
  readonly barePerSecond: number;
}

async function networkAlone(
  { manifest, onnxFile }: ReadyModel,
  images: readonly TextImage[],
  ms: number,
): Promise<Alone> {
  await using bare = await BareLoop.start({
    model: { sha256: manifest.sha256, path: onnxFile, manifest },
    photos: images.map(({ file }) => file),
    processes: 1,
    threadsPerProcess: availableParallelism(),
  });
  let [networkPerSecond, barePerSecond] = [0, 0];
  for (const batch of bareBatches) {
    networkPerSecond = Math.max(networkPerSecond, await bare.rate({ ms, batch, decoded: true }));
    barePerSecond = Math.max(barePerSecond, await bare.rate({ ms, batch }));
  }
  return { networkPerSecond, barePerSecond };
}

interface MeanAlone extends Alone {
  /** How far the bare loops before and after are apart: so rough are the ratios. */
  readonly apart: number;
}

function meanOf(before: Alone, after: Alone): MeanAlone {
  return {
    networkPerSecond: (before.networkPerSecond + after.networkPerSecond) / 2,
    barePerSecond: (before.barePerSecond + after.barePerSecond) / 2,
    apart: spread(before.barePerSecond, after.barePerSecond),
  };
}

/** The part of the inputs whose best class is the known answer. */
async function accuracyOf(
  cluster: BenchCluster,
  job: string,
  images: readonly TextImage[],
): Promise<number> {
  const answers = new Map(images.map(({ file, answer }) => [`tiny/${basename(file)}`, answer]));
  let right = 0;
  for await (const line of cluster.anyClient().results(job))
    if ("top" in line && line.top[0]?.label === answers.get(line.input)) right += 1;
  return right / images.length;
}

interface Outcome {
  readonly compared: Readonly<Record<keyof typeof layouts, Compared>>;
  readonly accuracy: number;
  readonly inputs: number;
}

function conclude(say: BenchContext["say"], outcome: Outcome): Figures {
  const { accuracy, inputs: count, compared } = outcome;
  const figures: Record<string, Figures[string]> = {
    accuracy: figure(accuracy, "of the inputs", { atLeast: targets.accuracy }),
    inputs: figure(count, "inputs"),
  };
  const rows: (string | number)[][] = [
    ["accuracy", accuracy.toFixed(4), String(targets.accuracy), isMet(figures["accuracy"])],
  ];
  for (const layout of Object.keys(layouts) as (keyof typeof layouts)[]) {
    const { runs, alone } = compared[layout];
    const { networkPerSecond, barePerSecond, apart } = alone;
    Object.assign(figures, {
      [`${layout}.networkAlonePerSecond`]: figure(networkPerSecond, "inputs/s"),
      [`${layout}.barePerSecond`]: figure(barePerSecond, "inputs/s"),
      [`${layout}.bareApart`]: figure(apart, "of bare"),
    });
    const beside = `beside ${layouts[layout].name}: `;
    rows.push(
      [`${beside}bare loop, decoding included, inputs per second`, barePerSecond],
      [`${beside}the bare loops before and after, apart`, apart.toFixed(3)],
      [`${beside}the network alone, all cores, inputs per second`, networkPerSecond],
    );
    for (const [name, run] of Object.entries(runs)) {
      const { batchSize, perSecond, logBytesPerInput } = run;
      const [toBare, share] = [perSecond / barePerSecond, perSecond / networkPerSecond];
      const limited = figure(toBare, "of bare", { atLeast: layouts[layout].toBare });
      const bytes = figure(logBytesPerInput, "B", { atMost: targets.logBytes });
      const key = `${layout}.${name}`;
      Object.assign(figures, {
        [`${key}.batchSize`]: figure(batchSize, "inputs"),
        [`${key}.inputsPerSecond`]: figure(perSecond, "inputs/s"),
        [`${key}.queriesPerSecond`]: figure(perSecond / batchSize, "queries/s"),
        [`${key}.shareOfTimeInInference`]: figure(share, "of the cores' time"),
        [`${key}.toBare`]: limited,
        [`${key}.logBytesPerInput`]: bytes,
      });
      const of = `${layouts[layout].name}, ${batchSize} a query: `;
      rows.push(
        [`${of}inputs per second`, perSecond],
        [`${of}queries per second`, perSecond / batchSize],
        [`${of}part of the bare loop`, toBare.toFixed(3), layouts[layout].toBare, isMet(limited)],
        [`${of}share of the cores' time in the network`, share.toFixed(3)],
        [`${of}log bytes per input`, logBytesPerInput, targets.logBytes, isMet(bytes)],
      );
    }
  }
  say(`\n${table([`${count} inputs`, "", "target", "met"], rows)}`);
  return figures;
}

function isMet(of: Figures[string] | undefined): string {
  return of?.met === true ? "yes" : "NO";
}
