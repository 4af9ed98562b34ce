/**
 * `node dist/test/soak/sdfs-acknowledged.js --tries 200 --seed 1`: three of seven nodes are killed in the instant after
 * a put was acknowledged; prints how often, and how often the file could not be read, and exits with 1 if ever.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { askedToEnd } from "./sdfs/asked-to-end.ts";
import { killAfterAcknowledgement } from "./sdfs/acknowledged.ts";

const { values } = parseArgs({
  options: {
    tries: { type: "string", default: "200" },
    seed: { type: "string", default: String(randomInt(1_000_000)) },
  },
});
const seed = Number(values.seed);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const figures = await killAfterAcknowledgement({
  tries: Number(values.tries),
  seed,
  say,
  signal: askedToEnd(),
});
say(JSON.stringify({ seed, ...figures, failures: figures.failures.length }));
process.exitCode = figures.failures.length > 0 ? 1 : 0;
