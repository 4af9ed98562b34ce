/** The two verifications: every input exactly once, and the bytes of a run that nothing disturbed. */
import type { JobView } from "../../src/lib/api/jobs.ts";

export interface Results {
  readonly sha256: string;
  readonly lines: readonly string[];
}

/** How often each label came first, most frequent first. */
export function summary({ lines }: Results): string {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const result = JSON.parse(line) as { error?: string; top?: { label: string }[] };
    const what =
      result.error === undefined ? (result.top?.[0]?.label ?? "?") : `error: ${result.error}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ");
}

/** @throws Error naming the first input that is missing, doubled or unexpected */
export function everyInputOnce(results: Results, paths: readonly string[]): void {
  const seen = results.lines.map((line) => (JSON.parse(line) as { input: string }).input);
  const wanted = [...paths].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (let i = 0; i < Math.max(seen.length, wanted.length); i += 1)
    if (seen[i] !== wanted[i])
      throw new Error(
        `line ${i + 1} is of ${seen[i] ?? "nothing"}, not of ${wanted[i] ?? "nothing"}`,
      );
}

/** @throws Error when the bytes differ, naming the first line that does */
export function sameBytes(job: JobView, results: Results, undisturbed: Results): void {
  if (results.sha256 === undisturbed.sha256) return;
  const at = results.lines.findIndex((line, i) => line !== undisturbed.lines[i]);
  throw new Error(
    `${job.name}: line ${at + 1} is ${results.lines[at] ?? "missing"}, undisturbed it is ${undisturbed.lines[at] ?? "missing"}`,
  );
}
