/**
 * `npm run soak:sdfs-acknowledged -- --tries 200 --seed 1`: three of seven nodes are killed in the instant after
 * a put was acknowledged; prints how often, and how often the file could not be read, and exits with 1 if ever.
 */
import { randomInt } from "node:crypto";
import { parsed, wholeNumber } from "../arguments.ts";
import { askedToEnd } from "./sdfs/asked-to-end.ts";
import { killAfterAcknowledgement } from "./sdfs/acknowledged.ts";

const usage = "usage: npm run soak:sdfs-acknowledged -- [--tries N] [--seed N]";
const values = parsed(
  {
    tries: { type: "string", default: "200" },
    seed: { type: "string", default: String(randomInt(1_000_000)) },
  },
  usage,
);
const tries = wholeNumber({ name: "tries", value: values.tries, least: 1 }, usage);
const seed = wholeNumber({ name: "seed", value: values.seed, least: 0 }, usage);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const figures = await killAfterAcknowledgement({ tries, seed, say, signal: askedToEnd() });
say(JSON.stringify({ seed, ...figures, failures: figures.failures.length }));
process.exitCode = figures.failures.length > 0 ? 1 : 0;
