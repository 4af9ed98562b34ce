/**
 * `npm run sim:mutants`: puts known bugs back into the code, one at a time, and shows that simulation notices each. Exits
 * with 1 when one survives.
 */
import { parsed, wholeNumber } from "../../arguments.ts";
import { baseline, isKilled, judge, starts, type Verdict } from "./judge.ts";
import { allMutants } from "./lists/all.ts";
import type { Mutant, WorldName } from "./mutant.ts";
import { medianSeeds, table } from "./report.ts";
import { type World, worlds } from "./worlds.ts";

const usage = [
  "usage: npm run sim:mutants -- [--only NAME]... [--world NAME] [--jobs N] [--seeds N] [--starts N] [--list]",
  "  --only NAME   this mutant, also one that is not run otherwise; may be given more than once",
  "  --world NAME  those of one world",
  "  --jobs N      children at once, by default 2",
  "  --seeds N     give up after so many seeds from each start",
  `  --starts N    begin from so many starts, by default ${starts.length}`,
  "  --list        say which there are, and run none",
].join("\n");
const values = parsed(
  {
    only: { type: "string", multiple: true, default: [] },
    jobs: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
    seeds: { type: "string" },
    starts: { type: "string", default: String(starts.length) },
    world: { type: "string" },
  },
  usage,
);
const number = (name: string, value: string): number =>
  wholeNumber({ name, value, least: 1 }, usage);

/** Seeds from each start that the code as it is must pass before any mutant is made; later, each that killed one. */
const firstSeeds = 30;

const patience = {
  seeds: values.seeds === undefined ? undefined : number("seeds", values.seeds),
  from: starts.slice(0, number("starts", values.starts)),
};
// 128 + the number of SIGINT: as if the signal had ended it, but for the folders, which go.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const chosen = allMutants.filter(
  ({ name, world, waitsFor }) =>
    (values.list || waitsFor === undefined || values.only.includes(name)) &&
    (values.only.length === 0 || values.only.includes(name)) &&
    (values.world === undefined || values.world === world),
);
if (values.list) for (const mutant of chosen) say(line(mutant));
else if (chosen.length === 0) {
  say("no mutant that can be run is called so, or is of that world: see --list");
  process.exitCode = 1;
} else process.exitCode = (await run(chosen, number("jobs", values.jobs))) ? 0 : 1;

async function run(list: readonly Mutant[], jobs: number): Promise<boolean> {
  for (const name of new Set(list.map(({ world }) => world)))
    if (
      !(await isSound(
        name,
        starts.map((start) => `${start}+${firstSeeds}`),
      ))
    )
      return false;
  const verdicts = new Map<string, Verdict>();
  const waiting = [...list];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await judge(worldOf(mutant.world), mutant, patience);
      verdicts.set(mutant.name, verdict);
      const what = isKilled(verdict) ? `killed after ${medianSeeds(verdict)} seeds` : "SURVIVED";
      say(`${verdicts.size} of ${list.length} ${mutant.name}: ${what}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const inOrder = list.flatMap(({ name }) => verdicts.get(name) ?? []);
  let isKilledByTheMistake = true;
  for (const name of new Set(list.map(({ world }) => world)))
    isKilledByTheMistake &&= await isSound(name, killingSeeds(inOrder, name));
  const killed = inOrder.filter(isKilled).length;
  say(`\n${table(inOrder)}\n\nkilled ${killed} of ${list.length}`);
  return killed === list.length && isKilledByTheMistake;
}

/** The code as it is passes these seeds. */
async function isSound(name: WorldName, seeds: readonly string[]): Promise<boolean> {
  if (seeds.length === 0) return true;
  const outcome = await baseline(worldOf(name), seeds.join());
  if (outcome.kind === "survived") {
    say(`the code as it is passes ${outcome.seeds} seeds of ${name}`);
    return true;
  }
  say(`the code as it is fails in ${name}, seed ${outcome.seed}: ${outcome.by}`);
  return false;
}

function killingSeeds(verdicts: readonly Verdict[], name: WorldName): readonly string[] {
  const seeds = verdicts
    .filter(({ mutant }) => mutant.world === name)
    .flatMap(({ outcomes }) =>
      outcomes.flatMap((outcome) => (outcome.kind === "killed" ? [outcome.seed] : [])),
    );
  return [...new Set(seeds)].toSorted((a, b) => a - b).map((seed) => `${seed}+1`);
}

function worldOf(name: WorldName): World {
  const world = worlds[name];
  if (world === undefined) throw new Error(`there is no world ${name} yet (worlds.ts)`);
  return world;
}

function line({ name, bug, world, file, seenBy, waitsFor }: Mutant): string {
  const seen = seenBy === undefined ? "" : `; to be seen by ${seenBy}`;
  const waits = waitsFor === undefined ? "" : `; not run: ${waitsFor}`;
  return `${name} (${world}, ${file}): ${bug}${seen}${waits}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
