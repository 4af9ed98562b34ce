/** Puts a mutant into its world and says whether, how soon and by what it was killed. */
import { fork } from "node:child_process";
import { join } from "node:path";
import type { Sighting } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";
import { copyOf } from "./workshop.ts";
import type { World } from "./worlds.ts";

/** First seeds, far apart: one lucky seed says little about how soon a mistake is found. */
export const starts = [1, 100_001, 200_001] as const;

/** What one stretch of seeds came to. */
export type Outcome =
  | { readonly kind: "survived"; readonly seeds: number }
  | { readonly kind: "killed"; readonly seeds: number; readonly seed: number; readonly by: string };

export interface Verdict {
  readonly mutant: Mutant;
  readonly outcomes: readonly Outcome[];
}

/** Killed: from wherever one begins. */
export function isKilled({ outcomes }: Verdict): boolean {
  return outcomes.every(({ kind }) => kind === "killed");
}

/** How long a mutant is looked for. */
export interface Patience {
  /** Seeds from each start. Default: the mutant's or its world's. */
  readonly seeds?: number | undefined;
  /** Default: {@link starts}. */
  readonly from?: readonly number[];
}

/** @throws Error when the mutant cannot be made: its text is gone, or it does not compile */
export async function judge(
  world: World,
  mutant: Mutant,
  { seeds = mutant.seeds ?? world.seeds, from = starts }: Patience = {},
): Promise<Verdict> {
  await using copy = await copyOf(world, mutant);
  const outcomes: Outcome[] = [];
  for (const start of from) outcomes.push(await hunt(copy.path, world, `${start}+${seeds}`));
  return { mutant, outcomes };
}

/**
 * The code as it is must pass every seed by which a mutant is judged: a check that fails without a mistake kills all of
 * them, and says nothing. Returns how it failed.
 */
export async function baseline(world: World, seeds: string): Promise<Outcome> {
  await using copy = await copyOf(world, undefined);
  // Awaited here: the copy is gone when this function ends.
  return await hunt(copy.path, world, seeds);
}

/** In a process of its own: a mutant may loop for ever, or eat all memory. */
async function hunt(path: string, world: World, seeds: string): Promise<Outcome> {
  const child = fork(
    join(path, "dist/test/simulation/mutants/hunt.js"),
    [compiled(world.module), world.function, seeds],
    {
      cwd: path,
      execArgv: ["--max-old-space-size=1024"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    // The end of it says what it died of.
    said = (said + text).slice(-2_000);
  });
  return new Promise((resolve, reject) => {
    let isLoaded = false;
    let passed = 0;
    let seed: number | undefined;
    let failure: string | undefined;
    const stuck = (): void => {
      failure ??= "time stands still";
      child.kill("SIGKILL");
    };
    let watch = setTimeout(stuck, world.hangMs);
    child.on("message", (sighting: Sighting) => {
      clearTimeout(watch);
      watch = setTimeout(stuck, world.hangMs);
      if (sighting.kind === "ready") isLoaded = true;
      else if (sighting.kind === "begun") seed = sighting.seed;
      else if (sighting.kind === "passed") passed += 1;
      else failure = nameOf(sighting);
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(watch);
      if (code !== 0) failure ??= `the process died: ${errorIn(said)}`;
      // A world that cannot be entered kills nobody.
      if (!isLoaded) reject(new Error(`${world.module} does not load: ${said}`));
      else if (failure === undefined || seed === undefined)
        resolve({ kind: "survived", seeds: passed });
      else resolve({ kind: "killed", seeds: passed + 1, seed, by: failure });
    });
  });
}

function compiled(module: string): string {
  return `dist/${module.replace(/\.ts$/, ".js")}`;
}

function errorIn(said: string): string {
  return /^.*(?:Error|FATAL).*$/m.exec(said)?.[0] ?? said.trim().split("\n").at(-1) ?? "";
}

function nameOf({ message, isOwn }: Extract<Sighting, { kind: "failed" }>): string {
  const [line = ""] = message.split("\n");
  return isOwn ? `its own assertion: ${line}` : line;
}
