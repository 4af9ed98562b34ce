/** Commands on their way into the log: they gather for a turn of the driver, go in together, and wait to be applied. */
import { IDunnoError } from "../lib/errors.ts";
import type { Outcome } from "../lib/outcome.ts";
import { LogIndex } from "../lib/types.ts";
import type { Raft } from "../raft/core.ts";
import type { Proposed } from "../raft/options.ts";
import type { Applier } from "./applier.ts";

export const proposalLimits = {
  /** Bytes of one command: a batch of results or files; far above any that the node makes. */
  commandBytes: 8 * 1024 * 1024,
  /** Proposals waiting for their turn. */
  waiting: 20_000,
} as const;

interface Proposal {
  readonly data: Uint8Array;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: IDunnoError) => void;
}

export class Proposals {
  readonly #raft: Raft;
  readonly #applier: Applier;
  #waiting: Proposal[] = [];

  constructor(raft: Raft, applier: Applier) {
    this.#raft = raft;
    this.#applier = applier;
  }

  /**
   * Waits for the outcome of a command.
   * @throws IDunnoError TOO_LARGE, BUSY; later what the core refuses it with
   */
  async add(data: Uint8Array): Promise<Outcome> {
    const { commandBytes: limit, waiting } = proposalLimits;
    if (data.length > limit)
      throw new IDunnoError("TOO_LARGE", { what: "a command", size: data.length, limit });
    if (this.#waiting.length >= waiting)
      throw new IDunnoError("BUSY", { what: "the proposal queue", limit: waiting });
    return new Promise((resolve, reject) => this.#waiting.push({ data, resolve, reject }));
  }

  /** Proposes what has gathered. */
  flush(now: number): void {
    if (this.#waiting.length === 0) return;
    const proposals = this.#waiting;
    const result = this.#raft.propose(
      proposals.map(({ data }) => data),
      now,
    );
    // In a moment they are taken here, or refused in favour of the heir.
    if (result.kind === "handingOver") return;
    this.#waiting = [];
    if (result.kind === "accepted") {
      const { firstIndex, term } = result;
      // At once, so that neither the commit nor a lost leadership can come before anybody waits for it.
      for (const [i, { resolve, reject }] of proposals.entries())
        this.#applier.expect({ index: LogIndex(firstIndex + i), term, resolve, reject });
    } else for (const { reject } of proposals) reject(refusal(result, this.#raft));
  }

  /** The node stops. */
  refuse(error: IDunnoError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

function refusal(
  result: Exclude<Proposed, { readonly kind: "accepted" | "handingOver" }>,
  { role }: Raft,
): IDunnoError {
  switch (result.kind) {
    case "busy":
      return new IDunnoError("BUSY", {
        what: "the log's uncommitted tail",
        limit: result.limitBytes,
      });
    case "full":
      return new IDunnoError("NO_SPACE", { node: role.leader ?? "the leader" });
    case "notLeader":
      return new IDunnoError("NOT_LEADER", { leader: result.leader });
  }
}
