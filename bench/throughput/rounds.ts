/** Rounds of interleaved measurements, and which of them count: those in which the machine stayed the same. */
import { median, spread } from "../statistics.ts";

/** Images per second of everything that a round measures. */
export interface Round {
  readonly bareBefore: number;
  readonly bareAfter: number;
  /** The bare loop as one process for each node. */
  readonly bareProcesses: number;
  readonly oneNode: number;
  readonly fiveNodes: number;
  /** BullMQ's workers; NaN where there are none. */
  readonly bullmq: number;
}

export interface Comparison {
  readonly rounds: number;
  /** Rounds in which the bare loop, before and after, agreed. */
  readonly counted: number;
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

/** Medians over the rounds that count; over all of them when none does. */
export function compare(rounds: readonly Round[]): Comparison {
  const good = rounds.filter(
    ({ bareBefore, bareAfter }) => spread(bareBefore, bareAfter) <= agreement,
  );
  const used = good.length > 0 ? good : rounds;
  const over = (of: (round: Round) => number): number => median(used.map(of));
  const bareOf = ({ bareBefore, bareAfter }: Round): number => (bareBefore + bareAfter) / 2;
  return {
    rounds: rounds.length,
    counted: good.length,
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
export async function inTurn<K extends string>(
  measurements: Readonly<Record<K, () => Promise<number>>>,
  { backwards }: { readonly backwards: boolean },
): Promise<Record<K, number>> {
  const names = Object.keys(measurements) as K[];
  const found = {} as Record<K, number>;
  for (const name of backwards ? names.toReversed() : names)
    found[name] = await measurements[name]();
  return found;
}
