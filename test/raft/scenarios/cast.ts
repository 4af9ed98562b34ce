/** `nodes n1 n2 n3`: who plays, and with what on the disk. */
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import { simpleConfiguration } from "../../../src/raft/configuration.ts";
import { defaultLimits, type Entry } from "../../../src/raft/types.ts";
import { type Directive, number, one } from "./directive.ts";
import { Player, scenarioTimings } from "./player.ts";
import type { Stage } from "./stage.ts";

/** A log given by the terms of its entries. */
function logOf(terms: readonly string[]): readonly Entry[] {
  return terms.map((term, i) => ({
    index: LogIndex(i + 1),
    term: Term(Number(term)),
    kind: "command",
    data: new TextEncoder().encode(`x${i + 1}`),
  }));
}

/** Options: voters, learners, log (the terms of its entries), term, vote, applied, inflight, append-bytes, uncommitted. */
export function addNodes(stage: Stage, directive: Directive): void {
  const { words, options } = directive;
  const ids = words.filter((word) => word !== "async" && word !== "leases").map(NodeId);
  const entries = logOf(options.get("log") ?? []);
  const vote = one(directive, "vote");
  for (const id of ids)
    stage.players.set(
      id,
      new Player(
        {
          id,
          configuration: simpleConfiguration(
            options.get("voters")?.map(NodeId) ?? ids,
            options.get("learners")?.map(NodeId),
          ),
          entries,
          hardState: {
            term: Term(number(directive, "term") ?? entries.at(-1)?.term ?? 0),
            vote: vote === undefined ? undefined : NodeId(vote),
          },
          appliedIndex: number(directive, "applied") ?? 0,
          isAsync: words.includes("async"),
          timings: { ...scenarioTimings, leaseReads: words.includes("leases") },
          limits: {
            ...defaultLimits,
            inflightMessages: number(directive, "inflight") ?? defaultLimits.inflightMessages,
            appendBytes: number(directive, "append-bytes") ?? defaultLimits.appendBytes,
            uncommittedBytes: number(directive, "uncommitted") ?? defaultLimits.uncommittedBytes,
          },
        },
        stage.now,
      ),
    );
}
