/**
 * A mutant is the code with one known bug put back into it. Each must be noticed by simulation: what no world notices
 * is either no bug, or a check that is missing.
 */
export type WorldName = "group" | "standing" | "cluster";

export interface Mutant {
  /** Kebab-case, for `--only`. */
  readonly name: string;
  /** The mistake, and where it was seen: a number of docs/raft-pitfalls.md, a rule, a section of the paper. */
  readonly bug: string;
  readonly file: string;
  /** Occurs exactly once in the file, so that nobody moves the mistake elsewhere unseen. */
  readonly find: string;
  readonly replace: string;
  readonly world: WorldName;
  /** The check that should see it, where that is not plain from what killed it. */
  readonly seenBy?: string;
  /** It lives as long as this many seeds in a row; default: the world's bound. */
  readonly seeds?: number;
  /** Why nothing kills it yet: it is listed and not run (lists/waiting.ts). */
  readonly waitsFor?: string;
}

/** A part of a list: what all of it has in common is said once. */
export function mutants(
  common: Pick<Mutant, "file" | "world"> & Partial<Mutant>,
  list: readonly (Omit<Mutant, "file" | "world"> & Partial<Mutant>)[],
): readonly Mutant[] {
  return list.map((each) => ({ ...common, ...each }));
}

/** The source with the mistake in it. */
export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`${name}: its text occurs ${parts.length - 1} times in ${file}, not once`);
  return parts.join(replace);
}
