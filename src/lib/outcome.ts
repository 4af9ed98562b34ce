/**
 * What applying a command answers to whoever proposed it. Outcomes are replicated state (idempotency keys keep them),
 * so they are plain data, alike on every replica.
 */
import type { ErrorCode, ErrorDetails } from "./errors.ts";

export type Outcome =
  | { readonly kind: "ok"; readonly value: OutcomeValue }
  | { readonly kind: "refused"; readonly code: string; readonly details: Record<string, unknown> };

export type OutcomeValue =
  | { readonly kind: "none" }
  | { readonly kind: "job"; readonly job: string }
  | { readonly kind: "model"; readonly name: string; readonly version: number }
  | {
      readonly kind: "files";
      readonly files: readonly {
        readonly path: string;
        readonly version: number;
        readonly copies: number;
      }[];
    }
  | { readonly kind: "dropped"; readonly hashes: readonly string[] }
  | { readonly kind: "assigned"; readonly assigned: readonly AssignedQuery[] };

/** A query as handed out: what the leader pushes to the worker. */
export interface AssignedQuery {
  readonly job: string;
  readonly query: number;
  readonly attempt: number;
  readonly node: string;
  readonly boot: string;
  readonly from: number;
  readonly count: number;
}

/** The command was carried out. */
export function ok(value: OutcomeValue): Outcome {
  return { kind: "ok", value };
}

/** The command was carried out and there is nothing to tell. */
export const done: Outcome = ok({ kind: "none" });

/** The command changed nothing, for a reason of docs/errors.md. `undefined` details are left out, since rows hold none. */
export function refuse<Code extends ErrorCode>(code: Code, details: ErrorDetails[Code]): Outcome {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(details)) if (value !== undefined) plain[name] = value;
  return { kind: "refused", code, details: plain };
}
