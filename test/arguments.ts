/**
 * What the commands beside the tests, the simulator and the soaks, are told: whatever they cannot take ends them with how
 * they are used.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** As `idunno` has it, and every shell's builtins. */
const usageExitCode = 2;

/** Its `values`. With what is unknown, or `--help`, the process ends. */
export function parsed<T extends NonNullable<ParseArgsConfig["options"]>>(
  options: T,
  usage: string,
): ReturnType<typeof parseArgs<{ options: T }>>["values"] {
  if (process.argv.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refused(error.message, usage);
  }
}

/** With less than `least`, or no whole number, the process ends. */
export function wholeNumber(
  { name, value, least }: { readonly name: string; readonly value: string; readonly least: number },
  usage: string,
): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  return refused(`--${name} takes a whole number from ${least}, not ${value}`, usage);
}

function refused(why: string, usage: string): never {
  process.stderr.write(`${why}\n${usage}\n`);
  process.exit(usageExitCode);
}
