/**
 * Ten thousand tiny inputs with known answers: pictures of one word, upright or turned, for the text-orientation
 * network. It costs a millisecond or two, so what a system adds to each input shows here more than anywhere else: in
 * queries per second, beside what a bare loop does on the same cores just before and just after, and in bytes of the log.
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
import { table } from "../table.ts";
import { BareLoop } from "../throughput/bare.ts";
import { inTurn, tellCount } from "../throughput/rounds.ts";
import { type BareFinding, bestOf } from "../throughput/search.ts";
import { jobSteadyRate } from "../throughput/steady.ts";
import { logBytes } from "./log-bytes.ts";
import {
  type Alone,
  type BatchName,
  type JobRun,
  type LayoutSummary,
  summarizeLayout,
  type TinyRound,
} from "./rounds.ts";

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
const rounds = { full: 3, quick: 1 } as const;
/** Of the bare loop in each round: about as long as a job takes. */
const bareMs = { full: 8_000, quick: 1_000 } as const;
/** Images of one run of the network: which of them the bare loop does best with is tried before, for so long each. */
const bareBatches = [1, 8];
const searchMs = { full: 3_000, quick: 500 } as const;
/** Inputs of a query: as by default, and as suits inputs that cost so little. */
const batches = { usual: undefined, large: 64 } as const satisfies Record<BatchName, unknown>;
const warmBatches = [1, batches.usual];
/** Of the bare loop. */
const threads = availableParallelism();
const lookEveryMs = 1_000;
const targets = { accuracy: 0.97, logBytes: 100 } as const;

const build = fileURLToPath(new URL("../../../build/", import.meta.url));

type Layout = (typeof layouts)[keyof typeof layouts];

interface Stage {
  readonly model: ReadyModel;
  readonly images: readonly TextImage[];
  /** Other ones. */
  readonly warm: readonly TextImage[];
}

export async function tiny(context: BenchContext): Promise<Figures> {
  const pace = context.quick ? "quick" : "full";
  const [model] = await makeModels(join(build, "models"), { only: [modelName] });
  if (model === undefined) throw new TypeError("no such model");
  const all = inputs[pace] + warmInputs[pace];
  const made = await makeTextImages(join(build, `bench-text-${pace}`), all);
  const [images, warm] = [made.slice(0, inputs[pace]), made.slice(inputs[pace])];
  const stage: Stage = { model, images, warm };
  const fiveNodes = await measure(context, layouts.fiveNodes, stage);
  const oneNode = await measure(context, layouts.oneNode, stage);
  const measured = { fiveNodes, oneNode };
  const accuracy = Math.min(fiveNodes.accuracy, oneNode.accuracy);
  return conclude(context.say, { measured, accuracy, inputs: images.length });
}

interface Measured {
  readonly name: string;
  readonly alone: Alone;
  readonly summary: LayoutSummary;
  readonly accuracy: number;
}

/** All rounds of a layout. Its cluster rests while the bare loop runs, and is alone on the machine while it does not. */
async function measure(
  context: BenchContext,
  { nodes, slots, name }: Layout,
  { model, images, warm }: Stage,
): Promise<Measured> {
  const { quick, signal, say } = context;
  await using cluster = await BenchCluster.up({ nodes, slots, signal });
  say(`${name}, ${slots} at a time each; putting ${images.length + warm.length} inputs`);
  const filesOf = (folder: string, some: readonly TextImage[]) =>
    some.map(({ file }) => ({ path: `${folder}${basename(file)}`, local: file }));
  await cluster.putSmallFiles(filesOf("warm/", warm));
  await cluster.putSmallFiles(filesOf("tiny/", images));
  await cluster.addModel(model);
  for (const batchSize of warmBatches)
    await measureJob(cluster, { folder: "warm/", batchSize, signal });
  await cluster.rest();
  await using bare = await startBare(model, images);
  const { alone, batch } = await networkAlone(bare, searchMs[quick ? "quick" : "full"]);
  const { measured, accuracy } = await playRounds(context, cluster, {
    name,
    images,
    bare: async () => bare.rate({ ms: bareMs[quick ? "quick" : "full"], batch }),
  });
  return { name, alone, summary: summarizeLayout(measured, alone), accuracy };
}

interface RoundsOptions {
  readonly name: string;
  readonly images: readonly TextImage[];
  /** Measures once, in images per second. */
  readonly bare: () => Promise<number>;
}

/** A round's bare loop after it is the next one's before it. @param cluster at rest, and again in the end */
async function playRounds(
  { quick, signal, say, trials }: BenchContext,
  cluster: BenchCluster,
  { name, images, bare }: RoundsOptions,
): Promise<{ readonly measured: readonly TinyRound[]; readonly accuracy: number }> {
  const measured: TinyRound[] = [];
  const count = trials ?? rounds[quick ? "quick" : "full"];
  const jobOf = (batchSize: number | undefined) => async () =>
    measureJob(cluster, { folder: "tiny/", batchSize, signal });
  const jobs = { usual: jobOf(batches.usual), large: jobOf(batches.large) };
  let accuracy = NaN;
  let bareBefore = await bare();
  for (let i = 0; i < count; i += 1) {
    signal.throwIfAborted();
    const runs = await cluster.awake(async () => {
      const found = await inTurn(jobs, { backwards: i % 2 === 1 });
      if (i === 0) accuracy = await accuracyOf(cluster, found.usual.id, images);
      return found;
    });
    const bareAfter = await bare();
    measured.push({ bareBefore, runs, bareAfter });
    const { usual, large } = runs;
    say(
      `${name}, round ${i + 1} of ${count}, inputs/s: bare, ${usual.batchSize} a query, ${large.batchSize} a query, bare: ` +
        [bareBefore, usual.perSecond, large.perSecond, bareAfter].map(Math.round).join(", "),
    );
    bareBefore = bareAfter;
  }
  return { measured, accuracy };
}

async function measureJob(
  cluster: BenchCluster,
  {
    folder,
    batchSize,
    signal,
  }: {
    readonly folder: string;
    readonly batchSize: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<JobRun> {
  const { leader } = await cluster.healthy();
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

async function startBare(
  { manifest, onnxFile }: ReadyModel,
  images: readonly TextImage[],
): Promise<BareLoop> {
  return BareLoop.start({
    model: { sha256: manifest.sha256, path: onnxFile, manifest },
    photos: images.map(({ file }) => file),
    processes: 1,
    threadsPerProcess: threads,
  });
}

/** The best of each, and the images of one run with which decoding and network together were the fastest. */
async function networkAlone(
  bare: BareLoop,
  ms: number,
): Promise<{ readonly alone: Alone; readonly batch: number }> {
  const search = async (decoded: boolean): Promise<BareFinding> => {
    const findings: BareFinding[] = [];
    for (const batch of bareBatches)
      findings.push({ threads, batch, perSecond: await bare.rate({ ms, batch, decoded }) });
    return bestOf(findings);
  };
  const [network, loop] = [await search(true), await search(false)];
  const alone = { networkPerSecond: network.perSecond, barePerSecond: loop.perSecond };
  return { alone, batch: loop.batch };
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
  readonly measured: Readonly<Record<keyof typeof layouts, Measured>>;
  readonly accuracy: number;
  readonly inputs: number;
}

function conclude(say: BenchContext["say"], outcome: Outcome): Figures {
  const { accuracy, inputs: count, measured } = outcome;
  const figures: Record<string, Figures[string]> = {
    accuracy: figure(accuracy, "of the inputs", { atLeast: targets.accuracy }),
    inputs: figure(count, "inputs"),
  };
  const rows: (string | number)[][] = [
    ["accuracy", accuracy.toFixed(4), String(targets.accuracy), isMet(figures["accuracy"])],
  ];
  for (const layout of Object.keys(layouts) as (keyof typeof layouts)[]) {
    const { alone, summary } = measured[layout];
    const { barePerSecond, counted, jobs } = summary;
    Object.assign(figures, {
      [`${layout}.networkAlonePerSecond`]: figure(alone.networkPerSecond, "inputs/s"),
      [`${layout}.barePerSecond`]: figure(barePerSecond, "inputs/s"),
      [`${layout}.roundsCounted`]: figure(counted, "rounds"),
    });
    const beside = `beside ${layouts[layout].name}: `;
    rows.push(
      [`${beside}bare loop, decoding included, inputs per second`, barePerSecond],
      [`${beside}the network alone, all cores, inputs per second`, alone.networkPerSecond],
    );
    for (const [name, job] of Object.entries(jobs)) {
      const { batchSize, perSecond, toBare, share, logBytesPerInput } = job;
      const limited = figure(toBare, "of bare", { atLeast: layouts[layout].toBare }, counted > 0);
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
  say(`\n${table([`${count} inputs, medians`, "", "target", "met"], rows)}`);
  for (const { name, summary } of Object.values(measured)) say(tellCount(name, summary));
  return figures;
}

function isMet(of: Figures[string] | undefined): string {
  return of?.met === true ? "yes" : "NO";
}
