/**
 * Whether what clients saw can be explained by one object that takes each operation at one moment between its call and
 * its return (Herlihy and Wing, 1990). Linearizability is local: each key is looked at by itself.
 *
 * Equal times count as overlapping: an operation precedes another only if it returned at an earlier time than the other
 * was called. An order that there was within one moment is given away by that, so that some violations stay unseen, but
 * none is reported that is not one.
 */
import { groupBy } from "../../../src/lib/group-by.ts";
import type { Model, Operation } from "./operation.ts";
import { Search } from "./search.ts";

export type Verdict<I, O> =
  | { readonly kind: "linearizable" }
  | {
      readonly kind: "violation";
      readonly key: string;
      /** The operations of the longest order that works, in that order. */
      readonly longest: readonly Operation<I, O>[];
      /** One of these would have to come after them, and none can. */
      readonly stuck: readonly Operation<I, O>[];
    }
  | { readonly kind: "undecided"; readonly key: string };

/**
 * @param operations in any order. Those known to have changed nothing are to be left out; those that may have taken
 * effect, and may yet, have no output, and their return does not count.
 * @param options.maxStates places of the search for each key: some 500 bytes and 10 µs each
 * @returns the first violation; failing that, the first key on which the search was given up
 */
export function checkLinearizable<S, I, O>(
  model: Model<S, I, O>,
  operations: readonly Operation<I, O>[],
  { maxStates }: { readonly maxStates: number },
): Verdict<I, O> {
  let undecided: Verdict<I, O> | undefined;
  for (const [key, ofKey] of groupBy(operations, (operation) => operation.key)) {
    const prepared = model.prepare?.(ofKey) ?? ofKey;
    const found = new Search(model, prepared).run(model.initial(key), maxStates);
    if (found.kind === "undecided") undecided ??= { kind: "undecided", key };
    if (found.kind !== "violation") continue;
    const asSeen = (list: readonly Operation<I, O>[]): readonly Operation<I, O>[] =>
      list.flatMap((operation) => ofKey[prepared.indexOf(operation)] ?? []);
    return { kind: "violation", key, longest: asSeen(found.longest), stuck: asSeen(found.stuck) };
  }
  return undecided ?? { kind: "linearizable" };
}
