/** What a simulated group is made with. */
import { defaultLimits, type RaftLimits, type RaftTimings } from "../../../src/raft/types.ts";

export interface ClusterOptions {
  /** Nodes that run and are no members at first. */
  readonly spares: number;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  /** As the driver does it; else several writes are under way at once. */
  readonly oneWriteAtATime: boolean;
  /** As the driver does it: what comes in one turn is told before anything is done. Else a Ready after each event. */
  readonly hasTurns: boolean;
  /** Longest time until what may be applied is. */
  readonly applyMs: number;
  /** Clocks run up to this much faster than the slowest, in thousandths. */
  readonly driftPerMille: number;
  /** Messages of a dead process do not arrive, nor do those to one: as over connections. Damage needs it (R9). */
  readonly hasConnections: boolean;
}

/** Small windows, so that full ones are common. */
export const tightLimits: RaftLimits = {
  ...defaultLimits,
  appendBytes: 400,
  inflightMessages: 4,
  windowBytes: 1_000,
};
