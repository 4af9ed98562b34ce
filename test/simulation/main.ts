/**
 * `npm run sim -- --seeds 1000 [--first SEED]`: runs the whole-cluster simulator over many seeds and says what it did.
 * Without --first the seeds begin at a fresh one, which is printed. A failure is shortened and drawn; exit code 1.
 */
import { join } from "node:path";
import { parsed, wholeNumber } from "../arguments.ts";
import { freshSeed } from "./fresh-seed.ts";
import { reportFailure } from "./report/failure.ts";
import { Summary } from "./report/summary.ts";
import { simulate, Violation } from "./simulate.ts";

/** Failures that are shortened: one takes minutes, and often they are one bug. */
const reported = 1;
/** Runs between two lines that say how far it has come. */
const progressRuns = 50;

const usage = "usage: npm run sim -- [--seeds N] [--first SEED]";
const values = parsed(
  { seeds: { type: "string", default: "100" }, first: { type: "string" } },
  usage,
);
const seeds = wholeNumber({ name: "seeds", value: values.seeds, least: 1 }, usage);
const first =
  values.first === undefined
    ? freshSeed()
    : wholeNumber({ name: "first", value: values.first, least: 0 }, usage);
process.stdout.write(`seeds ${first} to ${first + seeds - 1}\n`);
const summary = new Summary();
const failed: number[] = [];
for (let seed = first; seed < first + seeds; seed += 1) {
  const startMs = performance.now();
  try {
    summary.add(await simulate(seed), performance.now() - startMs);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    failed.push(seed);
    process.stdout.write(`${error.message}\n`);
    if (failed.length <= reported)
      process.stdout.write(`${await reportFailure(error, join("build", "simulation"))}\n`);
  }
  const done = seed - first + 1;
  if (done % progressRuns === 0) process.stdout.write(`${done} runs, ${failed.length} failed\n`);
}
process.stdout.write(`${summary.lines.join("\n")}\n`);
if (failed.length > 0) process.stdout.write(`${failed.length} runs failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
