/**
 * Makes a failing list as short as it gets by leaving things out: ddmin of Zeller and Hildebrandt, "Simplifying and
 * isolating failure-inducing input" (2002). What is left fails, and no longer does when any one item is taken away.
 */

export interface Shrunk<T> {
  /** In the order in which they were. */
  readonly items: readonly T[];
  /** How often `fails` was asked. */
  readonly runs: number;
}

/**
 * @param fails whether a list still fails; it must answer alike each time and is not asked twice about one list
 * @param options.maxRuns when these are spent, the shortest failing list so far is given
 * @throws Error when the whole list does not fail
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (subset: readonly T[]) => boolean | Promise<boolean>,
  { maxRuns }: { readonly maxRuns: number },
): Promise<Shrunk<T>> {
  const trials = new Trials(items, fails, maxRuns);
  const all = [...items.keys()];
  if (!(await trials.fail(all))) throw new Error("the whole list does not fail");
  // The algorithm takes it for granted that nothing does not fail, which a seed may well do.
  if (await trials.fail([])) return { items: [], runs: trials.runs };
  let kept: readonly number[] = all;
  let parts = 2;
  while (kept.length > 1 && !trials.areSpent) {
    const chunks = cut(kept, parts);
    const chunk = await trials.firstThatFails(chunks);
    const rest =
      chunk === undefined ? await trials.firstThatFails(without(kept, chunks)) : undefined;
    if (chunk !== undefined) {
      kept = chunk;
      parts = 2;
    } else if (rest !== undefined) {
      kept = rest;
      parts = Math.max(2, parts - 1);
    } else if (parts < kept.length) parts = Math.min(kept.length, 2 * parts);
    else break;
  }
  return { items: trials.itemsAt(kept), runs: trials.runs };
}

/** Counts what is asked, and asks nothing twice. Lists are those of their places in the whole one. */
class Trials<T> {
  readonly #items: readonly T[];
  readonly #fails: (subset: readonly T[]) => boolean | Promise<boolean>;
  readonly #maxRuns: number;
  readonly #known = new Map<string, boolean>();
  runs = 0;

  constructor(
    items: readonly T[],
    fails: (subset: readonly T[]) => boolean | Promise<boolean>,
    maxRuns: number,
  ) {
    this.#items = items;
    this.#fails = fails;
    this.#maxRuns = maxRuns;
  }

  get areSpent(): boolean {
    return this.runs >= this.#maxRuns;
  }

  /** When the runs are spent, only what is known to fail does. */
  async fail(places: readonly number[]): Promise<boolean> {
    const name = places.join(" ");
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // The whole list is asked about in any case.
    if (this.areSpent && this.runs > 0) return false;
    this.runs += 1;
    const fails = await this.#fails(this.itemsAt(places));
    this.#known.set(name, fails);
    return fails;
  }

  async firstThatFails(lists: Iterable<readonly number[]>): Promise<readonly number[] | undefined> {
    for (const places of lists) {
      if (await this.fail(places)) return places;
      if (this.areSpent) return undefined;
    }
    return undefined;
  }

  itemsAt(places: readonly number[]): readonly T[] {
    return places.flatMap((place) => this.#items.slice(place, place + 1));
  }
}

/** Into parts whose sizes differ by one at most. */
function cut(places: readonly number[], parts: number): readonly (readonly number[])[] {
  return Array.from({ length: parts }, (_, n) =>
    places.slice(
      Math.floor((n * places.length) / parts),
      Math.floor(((n + 1) * places.length) / parts),
    ),
  );
}

/** The list without each of its parts in turn. */
function* without(
  places: readonly number[],
  parts: readonly (readonly number[])[],
): Generator<readonly number[]> {
  let start = 0;
  for (const part of parts) {
    yield places.toSpliced(start, part.length);
    start += part.length;
  }
}
