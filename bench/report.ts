/**
 * What a benchmark ends with: named figures, each with the target of the design where there is one, and the machine
 * they were taken on. As one JSON object it is the last line printed and the content of `bench/results/NAME.json`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MachineView } from "./machine.ts";
import type { Summary } from "./statistics.ts";

export interface Figure {
  /** NaN, which JSON shows as null: nothing could be measured. */
  readonly value: number;
  readonly unit: string;
  readonly target?: number;
  /** Only with a target. */
  readonly met?: boolean;
}

export type Figures = Readonly<Record<string, Figure>>;

export type Goal = { readonly atMost: number } | { readonly atLeast: number };

export interface Report {
  readonly bench: string;
  readonly figures: Figures;
  readonly machine: MachineView;
}

/** @param valid false: the measurement is in doubt, so the target is not met whatever the value */
export function figure(value: number, unit: string, goal?: Goal, valid = true): Figure {
  const rounded = Math.round(value * 1000) / 1000;
  if (goal === undefined) return { value: rounded, unit };
  const [target, met] =
    "atMost" in goal ? [goal.atMost, value <= goal.atMost] : [goal.atLeast, value >= goal.atLeast];
  return { value: rounded, unit, target, met: met && valid };
}

/** The figures of a list of durations: `NAME.medianMs`, `.p90Ms`, `.p99Ms`, `.maxMs` and `.trials`. */
export function durations(
  name: string,
  summary: Summary,
  targets: { readonly medianMs?: number; readonly p99Ms?: number },
  valid = true,
): Figures {
  const goal = (atMost: number | undefined): Goal | undefined =>
    atMost === undefined ? undefined : { atMost };
  return {
    [`${name}.medianMs`]: figure(summary.median, "ms", goal(targets.medianMs), valid),
    [`${name}.p90Ms`]: figure(summary.p90, "ms"),
    [`${name}.p99Ms`]: figure(summary.p99, "ms", goal(targets.p99Ms), valid),
    [`${name}.maxMs`]: figure(summary.max, "ms"),
    [`${name}.trials`]: figure(summary.n, "trials"),
  };
}

/** One line, no more: the last that a benchmark prints. */
export function lastLine(report: Report): string {
  return JSON.stringify(report);
}

/** Puts a plot beside the reports. @returns its path */
export async function writePlot(directory: string, name: string, svg: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${name}.svg`);
  await writeFile(file, svg);
  return file;
}

export async function writeReport(directory: string, report: Report): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${report.bench}.json`), `${lastLine(report)}\n`);
}
