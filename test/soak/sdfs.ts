/**
 * `npm run soak:sdfs -- --minutes 10 --seed 1`: the file store under harm; prints what was done and what came of
 * it, as a table and as a line of JSON, and exits with 1 if a promise was broken.
 */
import { randomInt } from "node:crypto";
import { parsed, wholeNumber } from "../arguments.ts";
import { askedToEnd } from "./sdfs/asked-to-end.ts";
import { soak } from "./sdfs/run.ts";

const usage = "usage: npm run soak:sdfs -- [--minutes N] [--seed N] [--disk-mib N]";
const values = parsed(
  {
    minutes: { type: "string", default: "10" },
    /** Decides who is harmed and how, and what the clients ask; the machine decides the rest. */
    seed: { type: "string", default: String(randomInt(1_000_000)) },
    /** Memory for each of three disks that are filled, as root; also the bound on what is put. */
    "disk-mib": { type: "string", default: "1024" },
  },
  usage,
);
const seed = wholeNumber({ name: "seed", value: values.seed, least: 0 }, usage);
const minutes = wholeNumber({ name: "minutes", value: values.minutes, least: 1 }, usage);
const diskMib = wholeNumber({ name: "disk-mib", value: values["disk-mib"], least: 1 }, usage);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const { counts, ...figures } = await soak({
  seed,
  minutes,
  diskMib,
  say,
  signal: askedToEnd(),
});
for (const violation of figures.violations) say(`BROKEN ${violation}`);
say(counts.table());
say(`compared ${figures.compared} versions, ${figures.chunks} chunks; ${figures.fsck}`);
if (figures.noFullDisks !== undefined) say(`no disk was filled: ${figures.noFullDisks}`);
const { byKind, refusals } = counts;
say(JSON.stringify({ seed, minutes, ...byKind, refusals, ...figures }));
process.exitCode = figures.violations.length > 0 ? 1 : 0;
