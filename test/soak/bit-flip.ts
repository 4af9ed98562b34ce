/**
 * `npm run soak:bit-flip -- --offsets 2000 --seed 1`: prints what came of every flip, as a table and as a line of
 * JSON; exits with 1 if any went wrong.
 */
import { parsed, wholeNumber } from "../arguments.ts";
import { type FlipFigures, flipBits } from "./bit-flip-run.ts";

const usage = "usage: npm run soak:bit-flip -- [--offsets N] [--seed N] [--alone]";
const values = parsed(
  {
    offsets: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    /** Of one voter, whom nobody can refill, instead of three. */
    alone: { type: "boolean", default: false },
  },
  usage,
);
const offsets = wholeNumber({ name: "offsets", value: values.offsets, least: 1 }, usage);
const seed = wholeNumber({ name: "seed", value: values.seed, least: 0 }, usage);
const started = performance.now();
const figures = await flipBits({
  offsets,
  seed,
  founders: values.alone ? ["n1"] : ["n1", "n2", "n3"],
  onFailure: (failure) => process.stdout.write(`FAILED ${JSON.stringify(failure)}\n`),
});
process.stdout.write(`${table(figures)}\n`);
const seconds = Math.round((performance.now() - started) / 1_000);
const { total, rebuilt } = figures;
process.stdout.write(
  `${JSON.stringify({ seed, alone: values.alone, ...total, rebuilt, seconds })}\n`,
);
process.exitCode = total.failed > 0 ? 1 : 0;

function table({ regions, total: sum }: FlipFigures): string {
  const rows = [
    ...Object.entries(regions).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ["all", sum],
  ] as const;
  const line = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => (i === 0 ? String(cell).padEnd(20) : String(cell).padStart(9))).join("");
  return [
    line(["flips in", "right", "healed", "refused", "failed"]),
    ...rows.map(([name, { right, healed, refused, failed }]) =>
      line([name as string, right, healed, refused, failed]),
    ),
  ].join("\n");
}
