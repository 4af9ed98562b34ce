/** Rounds of the comparison as medians, ratios and a verdict. Pure, so that a test can hold it to them. */
import { type Figure, type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import type { Cell } from "../table.ts";
import type { Measured } from "./generator.ts";

/** Clients of each level, one put under way each. */
export const levels = [1, 64, 256] as const;
export type Level = (typeof levels)[number];

export const systems = ["etcd", "peer", "http"] as const;
export type System = (typeof systems)[number];

export interface Result extends Measured {
  readonly level: Level;
  readonly system: System;
}

/** design section 11. */
const targets = { atLevel: 64, timesEtcd: 2, latencyAtLevel: 1 } as const;
/** A generator that takes more of a core than this may have been what was measured. */
export const saturated = 0.9;

interface Medians {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly share: number;
}

export interface Summarised {
  readonly figures: Figures;
  readonly rows: readonly (readonly Cell[])[];
}

/** Medians over the rounds; a system that was not measured has no figures of its own, and the ratio to it no value. */
export function summarise(results: readonly Result[]): Summarised {
  const figures: Record<string, Figure> = {};
  const rows: (readonly Cell[])[] = [];
  for (const level of levels) {
    const etcd = mediansOf(results, level, "etcd");
    for (const system of systems) {
      const medians = mediansOf(results, level, system);
      if (medians === undefined) {
        if (system === "etcd") rows.push([`${level}: etcd`, "not measured"]);
        continue;
      }
      const { perSecond, p50Ms, p99Ms, share } = medians;
      const ratio = system === "etcd" ? 1 : perSecond / (etcd?.perSecond ?? NaN);
      rows.push([`${level}: ${names[system]}`, perSecond, p50Ms, p99Ms, ratio, share]);
      const name = `${system}.${level}`;
      figures[`${name}.perSecond`] = figure(perSecond, "commits/s");
      figures[`${name}.p50Ms`] = figure(p50Ms, "ms", latencyGoal(system, level, etcd));
      figures[`${name}.p99Ms`] = figure(p99Ms, "ms");
      figures[`${name}.generatorShare`] = figure(share, "of a core");
      if (system === "etcd") continue;
      const goal =
        system === "peer" && level === targets.atLevel ? { atLeast: targets.timesEtcd } : undefined;
      figures[`${name}.timesEtcd`] = figure(ratio, "× etcd", goal);
    }
  }
  return { figures, rows };
}

const names: Readonly<Record<System, string>> = {
  etcd: "etcd",
  peer: "IDunno, peer protocol",
  http: "IDunno, HTTP",
};

function latencyGoal(
  system: System,
  level: Level,
  etcd: Medians | undefined,
): { readonly atMost: number } | undefined {
  return system === "peer" && level === targets.latencyAtLevel && etcd !== undefined
    ? { atMost: etcd.p50Ms }
    : undefined;
}

function mediansOf(results: readonly Result[], level: Level, system: System): Medians | undefined {
  const mine = results.filter((each) => each.level === level && each.system === system);
  if (mine.length === 0) return undefined;
  const over = (of: (result: Result) => number): number => median(mine.map(of));
  return {
    perSecond: over(({ perSecond }) => perSecond),
    p50Ms: over(({ p50Ms }) => p50Ms),
    p99Ms: over(({ p99Ms }) => p99Ms),
    share: over(({ generatorShare }) => generatorShare),
  };
}
