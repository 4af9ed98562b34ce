/** Latency against throughput: what a larger batch brings in images per second, and what its query takes longer. */
import type { BenchContext } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { type PlotPoint, type PlotSeries, plotSvg } from "../plot.ts";
import { writePlot } from "../report.ts";
import { jobRate } from "./job-rate.ts";
import type { BareFinding } from "./search.ts";

const batchSizes = { full: [1, 4, 16, 64], quick: [1, 16] } as const;

export interface LatencyOptions {
  readonly model: string;
  readonly folders: number;
  /** At rest: each is woken while it is measured. */
  readonly clusters: readonly { readonly name: string; readonly cluster: BenchCluster }[];
  readonly bare: readonly BareFinding[];
}

/** Measures each cluster with each batch size, and writes `throughput-MODEL.svg`. */
export async function plotLatency(
  { quick, signal, say, resultsDirectory }: BenchContext,
  { model, folders, clusters, bare }: LatencyOptions,
): Promise<void> {
  const series: PlotSeries[] = [];
  for (const { name, cluster } of clusters) {
    const points = await cluster.awake(async () => {
      const found: PlotPoint[] = [];
      for (const batchSize of batchSizes[quick ? "quick" : "full"]) {
        const job = { model, folders, batchSize, signal };
        const { perSecond, queryMs } = await jobRate(cluster, job);
        found.push({ x: perSecond, y: queryMs, label: String(batchSize) });
        say(
          `${model}, ${name}, batch size ${batchSize}: ${perSecond.toFixed(1)} images/s, ${Math.round(queryMs)} ms a query`,
        );
      }
      return found;
    });
    series.push({ name, points });
  }
  for (const threads of new Set(bare.map((each) => each.threads)))
    series.push({ name: `bare loop, ${threads} threads`, points: barePoints(bare, threads) });
  const svg = plotSvg({
    title: `${model}: time of a query against images per second, by batch size`,
    xLabel: "images per second, all slots together",
    yLabel: "ms of a slot for a query (median)",
    series,
  });
  const file = await writePlot(resultsDirectory, `throughput-${model}`, svg);
  say(`plot: ${file}`);
}

/** Each thread takes `batch` images at once, so a batch takes all threads' images of that time. */
export function barePoints(findings: readonly BareFinding[], threads: number): PlotPoint[] {
  return findings
    .filter((finding) => finding.threads === threads)
    .map(({ batch, perSecond }) => {
      return { x: perSecond, y: (threads * batch * 1_000) / perSecond, label: String(batch) };
    });
}
