/** What a core is made from, and what a proposal answers. */
import type { LogIndex, NodeId, Term } from "../lib/types.ts";
import type { Configuration, HardState, LogBase, RaftLimits, RaftTimings } from "./types.ts";

export interface RaftOptions {
  readonly id: NodeId;
  readonly configuration: Configuration;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  readonly seed: number;
  readonly now: number;
  /** What the disk held at start. */
  readonly hardState: HardState;
  readonly base: LogBase;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Index up to which the state is applied already: known to be committed. */
  readonly appliedIndex: LogIndex;
  /** The log or the mark was damaged: take part only as R9 allows. */
  readonly damaged: boolean;
}

export type Proposed =
  | { readonly kind: "accepted"; readonly firstIndex: LogIndex; readonly term: Term }
  | { readonly kind: "notLeader"; readonly leader: NodeId | undefined }
  | { readonly kind: "busy"; readonly limitBytes: number };
