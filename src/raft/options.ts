/** What a core is made from, and what a proposal answers. */
import type { ConfigurationChange } from "./configuration.ts";
import type { LogIndex, NodeId, Term } from "../lib/types.ts";
import type { ConfigurationAt, HardState, LogBase, RaftLimits, RaftTimings } from "./types.ts";

export interface RaftOptions {
  readonly id: NodeId;
  /** The configurations in the log, oldest first: the one as of the base (index at or under it), then each entry's. */
  readonly configurations: readonly ConfigurationAt[];
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
  | { readonly kind: "busy"; readonly limitBytes: number }
  /** This leader is handing over; ask again in a moment, here or at its successor. */
  | { readonly kind: "handingOver"; readonly to: NodeId }
  /** This node's disk is full. */
  | { readonly kind: "full" };

/** What a change of the configuration, or a handover, answers. */
export type Steered =
  | { readonly kind: "accepted"; readonly index: LogIndex; readonly term: Term }
  | { readonly kind: "notLeader"; readonly leader: NodeId | undefined }
  | { readonly kind: "refused"; readonly why: string };

/** How a change of several voters passes through its joint configuration (§6). */
export interface ConfigurationRequest {
  readonly changes: readonly ConfigurationChange[];
  /**
   * `auto`: joint only when more than one voter changes, left by itself. `implicit`: joint, left by itself.
   * `explicit`: joint until {@link Raft.leaveJoint} is called.
   */
  readonly transition: "auto" | "implicit" | "explicit";
}
