/**
 * Reads a scenario, plays it, and compares what came out with what the file says.
 *
 * A file is a list of steps. A step is one or more directives, a line `----`, and what they print, up to an empty
 * line. Lines that begin with `#` say why. `IDUNNO_REWRITE=1` writes what came out into the file instead: whoever
 * changes the core reads the difference.
 */
import { readFile, writeFile } from "node:fs/promises";
import { type Directive, parseDirective } from "./directive.ts";

interface Step {
  readonly comments: readonly string[];
  readonly directives: readonly string[];
  readonly expected: readonly string[];
}

/** Carries out a directive and returns the lines it prints. */
export type Play = (directive: Directive) => readonly string[];

export interface Outcome {
  readonly expected: string;
  readonly actual: string;
}

/** A directive that could not be carried out prints this; no file may expect it. */
export const failed = "FAILED";

/** Plays a scenario file with a fresh stage. */
export async function playFile(path: string, play: Play): Promise<Outcome> {
  const source = await readFile(path, "utf8");
  const played = parse(source).map((step) => ({ ...step, expected: playStep(step, play) }));
  const actual = print(played);
  if (process.env["IDUNNO_REWRITE"] !== "1") return { expected: source, actual };
  await writeFile(path, actual);
  return { expected: actual, actual };
}

function playStep({ directives }: Step, play: Play): readonly string[] {
  const lines = directives.flatMap((line) => {
    try {
      return play(parseDirective(line));
    } catch (error) {
      return [`${failed} ${line}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
  return lines.length === 0 && directives.length > 0 ? ["ok"] : lines;
}

function parse(source: string): readonly Step[] {
  const steps: Step[] = [];
  for (const block of source.trimEnd().split(/\n{2,}/)) {
    const lines = block.split("\n");
    const comments = lines.filter((line) => line.startsWith("#"));
    const rest = lines.filter((line) => !line.startsWith("#"));
    const rule = rest.indexOf("----");
    const directives = rule < 0 ? rest : rest.slice(0, rule);
    steps.push({ comments, directives, expected: rule < 0 ? [] : rest.slice(rule + 1) });
  }
  return steps;
}

function print(steps: readonly Step[]): string {
  const blocks = steps.map(({ comments, directives, expected }) =>
    [...comments, ...directives, ...(directives.length === 0 ? [] : ["----", ...expected])].join(
      "\n",
    ),
  );
  return `${blocks.join("\n\n")}\n`;
}
