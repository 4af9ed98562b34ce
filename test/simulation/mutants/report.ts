/** What came of all mutants, as a table to read and one line to remember. */
import { isKilled, type Outcome, type Verdict } from "./judge.ts";

/** The middle one of the stretches; a stretch that was survived counts as longer than any. */
export function medianSeeds({ outcomes }: Verdict): number {
  const seeds = outcomes
    .map((outcome) => (outcome.kind === "killed" ? outcome.seeds : Number.POSITIVE_INFINITY))
    .toSorted((a, b) => a - b);
  return seeds[Math.floor(seeds.length / 2)] ?? Number.POSITIVE_INFINITY;
}

export function table(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => {
    const { mutant, outcomes } = verdict;
    const median = medianSeeds(verdict);
    return [
      mutant.name,
      mutant.bug,
      mutant.world,
      isKilled(verdict) ? checks(outcomes) : `SURVIVED; ${checks(outcomes)}`,
      Number.isFinite(median) ? String(median) : "-",
      String(firstSeed(outcomes) ?? "-"),
    ];
  });
  const head = ["mutant", "the bug that it brings back", "world", "killed by", "seeds", "first"];
  const all = [head, head.map(() => ""), ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all
    .map((row, at) =>
      row
        .map((cell, i) => (at === 1 ? "-".repeat(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join(" | "),
    )
    .map((row) => `| ${row} |`)
    .join("\n");
}

/** By each check once, the most frequent one first. */
function checks(outcomes: readonly Outcome[]): string {
  const times = new Map<string, number>();
  for (const outcome of outcomes)
    if (outcome.kind === "killed")
      times.set(checkOf(outcome.by), (times.get(checkOf(outcome.by)) ?? 0) + 1);
  const names = [...times].toSorted(([, a], [, b]) => b - a).map(([name]) => name);
  return names.join("; ");
}

/** The rule before the colon, or the sentence with its numbers left out, for those differ from seed to seed. */
function checkOf(by: string): string {
  const [, rule] =
    /^((?:[A-Z]\d+(?:\/[A-Z]\d+)?|[A-Z][A-Za-z-]+(?: [A-Z][A-Za-z-]+)*):)/.exec(by) ?? [];
  return (rule?.slice(0, -1) ?? by.replaceAll(/\b\d+(?:\/\d+)?\b/g, "…")).replaceAll("|", "/");
}

function firstSeed([first]: readonly Outcome[]): number | undefined {
  return first?.kind === "killed" ? first.seed : undefined;
}
