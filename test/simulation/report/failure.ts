/**
 * What a failed run leaves for whoever has to find the bug: the command that repeats it, the few steps that are enough to
 * bring it about, what the nodes said, and a diagram of the end.
 */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plan, Step } from "../plan.ts";
import { simulatePlan, Violation } from "../simulate.ts";
import { shrink } from "./shrink.ts";
import { spaceTimeSvg } from "./space-time-svg.ts";
import { spaceTimeText } from "./space-time-text.ts";

/** Runs that shortening a schedule may take: some minutes of a slow machine. */
const shrinkRuns = 80;
/** Virtual ms before the failure that are drawn. */
const drawnMs = 3_000;
/** Lines of the text diagram printed. */
const shownEvents = 60;

/** The rule that was broken: two failures of one rule are taken for one bug. */
export function ruleOf(error: unknown): string {
  const cause = error instanceof Violation ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split(/[:,]/)[0] ?? message;
}

/** The commit of the code that ran; `unknown` outside of a checkout. */
export function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/** The steps without which the same rule is not broken. */
export async function shorten(plan: Plan, rule: string): Promise<readonly Step[]> {
  const fails = async (steps: readonly Step[]): Promise<boolean> => {
    try {
      await simulatePlan({ ...plan, steps });
      return false;
    } catch (error) {
      return ruleOf(error) === rule;
    }
  };
  const { items } = await shrink(plan.steps, fails, { maxRuns: shrinkRuns });
  return items;
}

/**
 * Writes the report of a failure into a folder and returns what is to be printed of it.
 * @param directory made if it is not there
 */
export async function reportFailure(violation: Violation, directory: string): Promise<string> {
  const { plan } = violation;
  const rule = ruleOf(violation);
  const steps = await shorten(plan, rule);
  const shown = await failAgain({ ...plan, steps }, violation);
  const { events, notes } = shown.world.trace;
  const window = { from: shown.world.time.now - drawnMs };
  await mkdir(directory, { recursive: true });
  const svg = join(directory, `seed-${plan.seed}.svg`);
  await writeFile(svg, spaceTimeSvg(events, window));
  return [
    violation.message,
    `commit ${commit()}; again: npm run sim -- --first ${plan.seed} --seeds 1`,
    `${steps.length} of ${plan.steps.length} steps are enough:`,
    ...steps.map((step) => `  ${JSON.stringify(step)}`),
    "what the nodes said at the end:",
    ...notes.slice(-shownEvents).map((line) => `  ${line}`),
    spaceTimeText(events, { last: shownEvents }),
    `drawn in ${svg}`,
    String(shown.cause instanceof Error ? shown.cause.stack : shown.cause),
  ].join("\n");
}

/** The same failure, messages recorded; the first one, should it not come again. */
async function failAgain(plan: Plan, before: Violation): Promise<Violation> {
  try {
    await simulatePlan(plan, { records: true });
    return before;
  } catch (error) {
    return error instanceof Violation ? error : before;
  }
}
