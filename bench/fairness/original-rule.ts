/**
 * The rule of the course project that IDunno descends from, on the costs measured here: each node works for one job
 * alone, and when the jobs' query rates differ by more than 20 %, a whole node moves from the fastest to the slowest.
 * Told in its favour: nodes neither stop nor load anything when they move, no job gives its last node away, and a move
 * that would not lessen the gap, after which it would only move back, is not made.
 */
import { gapOf } from "./windows.ts";

export interface OriginalJob {
  /** A node's time for one query. */
  readonly queryMs: number;
  readonly weight: number;
}

export interface OriginalOutcome {
  /** Nodes of each job in the end. */
  readonly nodes: readonly number[];
  /** Between the rates per weight in the end, as a part of the fastest. */
  readonly gap: number;
  /** Nodes that were moved one after the other, each after a look at the rates of another window. */
  readonly moves: number;
}

/** Rates may differ by so much before a node is moved. */
export const movedPast = 0.2;

/** @param nodes in all; dealt out evenly at first */
export function originalRule(nodes: number, jobs: readonly OriginalJob[]): OriginalOutcome {
  let held = jobs.map(
    (_, i) => Math.floor(nodes / jobs.length) + (i < nodes % jobs.length ? 1 : 0),
  );
  const ratesOf = (counts: readonly number[]): number[] =>
    jobs.map(({ queryMs, weight }, i) => (counts[i] ?? 0) / queryMs / weight);
  let gap = gapOf(ratesOf(held));
  let moves = 0;
  // Each move lessens the gap, and there are finitely many ways to hold the nodes.
  while (gap > movedPast) {
    const rates = ratesOf(held);
    const spared = rates.map((rate, i) => ((held[i] ?? 0) > 1 ? rate : -1));
    const fastest = spared.indexOf(Math.max(...spared));
    const slowest = rates.indexOf(Math.min(...rates));
    const next = held.map((count, i) => count + (i === slowest ? 1 : 0) - (i === fastest ? 1 : 0));
    const nextGap = gapOf(ratesOf(next));
    if (nextGap >= gap) break;
    [held, gap, moves] = [next, nextGap, moves + 1];
  }
  return { nodes: held, gap, moves };
}
