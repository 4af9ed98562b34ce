/** Rounds of interleaved measurements, and which of them count: those in which the machine stayed the same. */
import { median, spread } from "../statistics.ts";

/** A round of whatever is measured: the bare loop's images per second on either side of it. */
export interface Bracketed {
  readonly bareBefore: number;
  readonly bareAfter: number;
}

/** Images per second of everything that a round of `throughput` measures. */
export interface Round extends Bracketed {
  /** The bare loop as one process for each node. */
  readonly bareProcesses: number;
  readonly oneNode: number;
  readonly fiveNodes: number;
  /** BullMQ's workers; NaN where there are none. */
  readonly bullmq: number;
}

export interface Count {
  readonly rounds: number;
  /** Rounds in which the bare loop, before and after, agreed. */
  readonly counted: number;
}

export interface Comparison extends Count {
  readonly bare: number;
  readonly bareProcesses: number;
  readonly oneNode: number;
  readonly fiveNodes: number;
  /** Medians of the ratios of the rounds, not ratios of the medians. */
  readonly oneNodeToBare: number;
  readonly fiveNodesToBare: number;
  readonly fiveNodesToBareProcesses: number;
  /** NaN without BullMQ, as the ratios to it. */
  readonly bullmq: number;
  readonly oneNodeToBullmq: number;
  readonly fiveNodesToBullmq: number;
}

/** Before and after may differ by so much of their mean. */
export const agreement = 0.05;

/** The bare loop of a round: the mean of before and after. */
export function bareOf({ bareBefore, bareAfter }: Bracketed): number {
  return (bareBefore + bareAfter) / 2;
}

/** Which rounds medians are taken of: those that count, or all of them when none does. */
export function judge<R extends Bracketed>(
  rounds: readonly R[],
): Count & { readonly used: readonly R[] } {
  const good = rounds.filter(
    ({ bareBefore, bareAfter }) => spread(bareBefore, bareAfter) <= agreement,
  );
  return { rounds: rounds.length, counted: good.length, used: good.length > 0 ? good : rounds };
}

/** How many rounds count, for people. */
export function tellCount(name: string, { rounds, counted }: Count): string {
  return (
    `${name}: ${counted} of ${rounds} rounds count (bare loop before and after within ${agreement * 100} %)` +
    (counted === 0 ? "; none does, so these are medians of all, and no target is met" : "")
  );
}

/** Medians over the rounds that count; over all of them when none does. */
export function compare(measured: readonly Round[]): Comparison {
  const { rounds, counted, used } = judge(measured);
  const over = (of: (round: Round) => number): number => median(used.map(of));
  return {
    rounds,
    counted,
    bare: over(bareOf),
    bareProcesses: over(({ bareProcesses }) => bareProcesses),
    oneNode: over(({ oneNode }) => oneNode),
    fiveNodes: over(({ fiveNodes }) => fiveNodes),
    oneNodeToBare: over((round) => round.oneNode / bareOf(round)),
    fiveNodesToBare: over((round) => round.fiveNodes / bareOf(round)),
    fiveNodesToBareProcesses: over(({ fiveNodes, bareProcesses }) => fiveNodes / bareProcesses),
    bullmq: over(({ bullmq }) => bullmq),
    oneNodeToBullmq: over(({ oneNode, bullmq }) => oneNode / bullmq),
    fiveNodesToBullmq: over(({ fiveNodes, bullmq }) => fiveNodes / bullmq),
  };
}

/**
 * Measures one after the other, and tells what each measured. A machine that grows slower while they do so is unkind to
 * the last: over rounds in both directions that falls on all alike.
 */
export async function inTurn<K extends string, T>(
  measurements: Readonly<Record<K, () => Promise<T>>>,
  { backwards }: { readonly backwards: boolean },
): Promise<Record<K, T>> {
  const names = Object.keys(measurements) as K[];
  const found = {} as Record<K, T>;
  for (const name of backwards ? names.toReversed() : names)
    found[name] = await measurements[name]();
  return found;
}
