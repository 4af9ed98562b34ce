/**
 * The simulators that mutants are put into. Each is a function from a seed to nothing, which throws, or rejects, with
 * the rule that was broken: `IDUNNO_SEED=…: R4: n1 commits …`.
 */
import type { WorldName } from "./mutant.ts";

export interface World {
  /** The file that has the function; it and what it imports are all that is compiled. */
  readonly module: string;
  readonly function: string;
  /** A mutant that lives through so many seeds, from any start, has survived. */
  readonly seeds: number;
  /** So long may one seed take, in ms: two hundred times what it does take. */
  readonly hangMs: number;
}

export const worlds: Readonly<Record<WorldName, World | undefined>> = {
  /** Everything that may happen to a Raft group. */
  group: {
    module: "test/raft/simulation/stir.ts",
    function: "stir",
    seeds: 600,
    hangMs: 20_000,
  },
  /** Raft under faults that stay. */
  standing: {
    module: "test/raft/simulation/standing.ts",
    function: "standFault",
    seeds: 300,
    hangMs: 20_000,
  },
  /** Whole nodes, their clients, and everything that may happen to both. */
  cluster: {
    module: "test/simulation/simulate.ts",
    function: "simulateDense",
    seeds: 150,
    hangMs: 120_000,
  },
};
