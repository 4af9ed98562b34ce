/** What the rounds of a layout come to: each job beside the bare loops on either side of it, and the most that it logged. */
import { median } from "../statistics.ts";
import { bareOf, type Bracketed, type Count, judge } from "../throughput/rounds.ts";

export interface JobRun {
  readonly id: string;
  readonly batchSize: number;
  readonly perSecond: number;
  /** Of all that was committed from the submission to the end, per input. */
  readonly logBytesPerInput: number;
}

/** Query sizes that each round measures. */
export type BatchName = "usual" | "large";

export type Runs = Readonly<Record<BatchName, JobRun>>;

export interface TinyRound extends Bracketed {
  readonly runs: Runs;
}

/** What the cores do with nothing but the network, measured at one time. */
export interface Alone {
  /** Images per second on all cores: only the network, on images that are decoded already. */
  readonly networkPerSecond: number;
  /** The same with decoding. */
  readonly barePerSecond: number;
}

export interface JobSummary {
  readonly batchSize: number;
  readonly perSecond: number;
  /** Median of the rounds' ratios, not the ratio of the medians. */
  readonly toBare: number;
  /** Part of the cores' time that the network takes: as much of it as the bare loop has, times the ratio to that. */
  readonly share: number;
  /** The most of any round. */
  readonly logBytesPerInput: number;
}

export interface LayoutSummary extends Count {
  readonly barePerSecond: number;
  readonly jobs: Readonly<Record<BatchName, JobSummary>>;
}

/** Medians over the rounds that count, over all of them when none does. */
export function summarizeLayout(measured: readonly TinyRound[], alone: Alone): LayoutSummary {
  const { rounds, counted, used } = judge(measured);
  const over = (of: (round: TinyRound) => number): number => median(used.map(of));
  const jobOf = (name: BatchName): JobSummary => {
    const toBare = over((round) => round.runs[name].perSecond / bareOf(round));
    return {
      batchSize: over(({ runs }) => runs[name].batchSize),
      perSecond: over(({ runs }) => runs[name].perSecond),
      toBare,
      share: (toBare * alone.barePerSecond) / alone.networkPerSecond,
      logBytesPerInput: Math.max(...measured.map(({ runs }) => runs[name].logBytesPerInput)),
    };
  };
  const jobs = { usual: jobOf("usual"), large: jobOf("large") };
  return { rounds, counted, barePerSecond: over(bareOf), jobs };
}
