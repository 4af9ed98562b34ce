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
  | { readonly kind: "files"; readonly runs: readonly number[] }
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
  /** It may end the executor: it is to run alone. */
  readonly suspect?: true;
}

/** What became of one file. */
export interface FileOutcome {
  readonly version: number;
  /** Nodes that had it durably. */
  readonly copies: number;
}

/**
 * The command was carried out on files, of which the request has the paths. What became of them is kept as runs of equal
 * outcomes, `[version, copies, count, …]`: an answer stays in memory for every key, and a thousand new files are one run.
 */
export function okFiles(files: readonly FileOutcome[]): Outcome {
  const runs: number[] = [];
  let count = 0;
  for (const [i, { version, copies }] of files.entries()) {
    count += 1;
    const next = files[i + 1];
    if (next?.version === version && next.copies === copies) continue;
    runs.push(version, copies, count);
    count = 0;
  }
  return ok({ kind: "files", runs });
}

/** What became of the files of a request, in its order; none when the value is of another kind. */
export function fileOutcomes(value: OutcomeValue): readonly FileOutcome[] {
  if (value.kind !== "files") return [];
  const files: FileOutcome[] = [];
  const { runs } = value;
  for (let at = 0; at < runs.length; at += 3) {
    const [version = 0, copies = 0, count = 0] = runs.slice(at, at + 3);
    for (let n = 0; n < count; n += 1) files.push({ version, copies });
  }
  return files;
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
