/** What the fairness benchmark concludes: the table of windows, the figures of each phase, and the plot over time. */
import { plotSvg } from "../plot.ts";
import { type Figures, figure } from "../report.ts";
import { type Cell, table } from "../table.ts";
import { originalRule } from "./original-rule.ts";
import { queriesRun } from "./progress.ts";
import {
  gapAllowed,
  type Phase,
  type Ran,
  type Seen,
  windowsOf,
  type WindowView,
} from "./windows.ts";

export interface Measured extends Seen {
  readonly phases: readonly Phase[];
  /** The models' names by job. */
  readonly names: ReadonlyMap<string, string>;
  readonly slots: number;
  readonly windowMs: number;
}

/** Points of the plot in each window. */
const pointsPerWindow = 5;

/**
 * Prints the table.
 * @param nodes that the original's rule has to deal out
 */
export function conclude(
  { phases, readings, queries, names, slots, windowMs }: Measured,
  nodes: number,
  say: (text: string) => void,
): Figures {
  const windows = windowsOf(phases, { readings, queries }, { windowMs, slots });
  const figures: Record<string, Figures[string]> = {};
  const rows: Cell[][] = [];
  for (const phase of phases) {
    const mine = windows.filter((window) => window.phase === phase.name);
    const judged = mine.filter((window) => window.judged);
    const original = originalRule(nodes, costsOf(phase, queries));
    const key = phase.name.replaceAll(/[^a-z0-9]+/g, "-");
    const worst = (of: (window: WindowView) => number): number => Math.max(...judged.map(of));
    const missed = judged.filter(({ meetsWhole }) => !meetsWhole).length;
    Object.assign(figures, {
      [`${key}.fractionalGap`]: figure(
        worst(({ fractionalGap }) => fractionalGap),
        "of the fastest",
        { atMost: gapAllowed },
      ),
      [`${key}.wholeGap`]: figure(
        worst(({ wholeGap }) => wholeGap),
        "queries",
      ),
      [`${key}.windowsPastWholeQueries`]: figure(missed, "windows", { atMost: 0 }),
      [`${key}.originalGap`]: figure(original.gap, "of the fastest"),
    });
    rows.push(...mine.map((window, i) => rowOf(window, i, { phase, names, original })));
  }
  const judged = windows.filter((window) => window.judged);
  const met = judged.filter(({ meetsFractional, meetsWhole }) => meetsFractional && meetsWhole);
  figures["windowsThatMeetP7"] = figure(met.length / judged.length, "of those judged", {
    atLeast: 1,
  });
  say(
    `\n${table(["window", "fractional queries/s", "gap", "met", "whole queries", "gap", "allowed", "met", "original's gap"], rows)}`,
  );
  say(
    "gap: the slowest behind the fastest, per weight. The first window after a change is not judged. The original's gap is\n" +
      `simulated on the costs measured in the phase: whole nodes of ${nodes} that move while rates differ by more than 20 %.`,
  );
  return figures;
}

function rowOf(
  window: WindowView,
  index: number,
  {
    phase,
    names,
    original,
  }: {
    readonly phase: Phase;
    readonly names: Measured["names"];
    readonly original: { readonly gap: number; readonly nodes: readonly number[] };
  },
): Cell[] {
  const title =
    index === 0
      ? `${phase.name} (${phase.jobs.map(({ job, weight }) => `${names.get(job) ?? job}${weight === 1 ? "" : ` × ${weight}`}`).join(", ")})`
      : `  ${index + 1}`;
  const verdict = (met: boolean): Cell => (window.judged ? (met ? "yes" : "NO") : undefined);
  return [
    title,
    window.rates.map((rate) => rate.toFixed(2)).join(" : "),
    percent(window.fractionalGap),
    verdict(window.meetsFractional),
    window.counts.join(" : "),
    window.wholeGap.toFixed(1),
    window.wholeAllowed.toFixed(1),
    verdict(window.meetsWhole),
    index === 0 ? `${percent(original.gap)} (${original.nodes.join(" : ")})` : undefined,
  ];
}

/** A node's time for a query of each job in that phase. */
function costsOf(
  { jobs, fromMs, toMs }: Phase,
  queries: readonly Ran[],
): { readonly queryMs: number; readonly weight: number }[] {
  return jobs.map(({ job, weight }) => {
    const mine = queries.filter(
      ({ job: id, seenMs }) => id === job && seenMs >= fromMs && seenMs < toMs,
    );
    const sumMs = mine.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0);
    return { queryMs: Math.max(1, sumMs / mine.length), weight };
  });
}

/** Fractional queries per second of every job, from the first phase's beginning to the last one's end. */
export function fairnessPlot({ phases, readings, names, windowMs }: Measured): string {
  const startMs = phases[0]?.fromMs ?? 0;
  const endMs = phases.at(-1)?.toMs ?? startMs;
  const stepMs = windowMs / pointsPerWindow;
  const count = Math.floor((endMs - startMs) / stepMs);
  const series = [...names].map(([job, name]) => {
    const points = Array.from({ length: count }, (_, i) => {
      const fromMs = startMs + i * stepMs;
      const span = { fromMs, toMs: fromMs + stepMs };
      const y = (queriesRun(readings, job, span) * 1000) / stepMs;
      return { x: (fromMs + stepMs / 2 - startMs) / 1000, y };
    });
    return { name, points };
  });
  return plotSvg({
    title: "Query rates of jobs that share a cluster",
    xLabel: "seconds",
    yLabel: "queries per second (fractional)",
    series,
    moments: phases.map(({ name, fromMs }) => ({ x: (fromMs - startMs) / 1000, label: name })),
  });
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
