/**
 * What became of writes that nobody answered, as far as the reads of the same key tell. Each such write doubles what a
 * search has to look at; most of them are decided by a look at who read what.
 */
import { type Operation, isOpen } from "./operation.ts";

/** Where a model's operations have their values. */
export interface Values<I, O> {
  /** What an operation would make to be read. */
  written(input: I): string | undefined;
  /** What a read found. */
  read(output: O): string | undefined;
  /** A value that an operation depends on: what it writes over. */
  compared(input: I): string | undefined;
  /** The same operation with {@link unread} in place of its value, where that makes no difference to it. */
  unread(input: I): I;
  /** What the write was answered, or would have been, that the read of this output found. */
  answer(output: O): O;
}

/** In place of a value that nobody read. */
export const unread = "\u0000unread";

/**
 * The operations, and of the open ones what is known of them. One whose value was read, and which nobody else wrote, took
 * effect before the first such read returned. Those whose values nobody read or compared are all alike.
 */
export function withFates<I, O>(
  operations: readonly Operation<I, O>[],
  values: Values<I, O>,
): readonly Operation<I, O>[] {
  const writers = new Map<string, number>();
  const compared = new Set(operations.map(({ input }) => values.compared(input)));
  const firstReads = new Map<string, Operation<I, O>>();
  for (const operation of operations) {
    const written = values.written(operation.input);
    if (written !== undefined) writers.set(written, (writers.get(written) ?? 0) + 1);
    const read = operation.output === undefined ? undefined : values.read(operation.output);
    if (read === undefined) continue;
    const first = firstReads.get(read);
    if (first === undefined || endOf(operation) < endOf(first)) firstReads.set(read, operation);
  }
  return operations.map((operation) => {
    const written = values.written(operation.input);
    if (!isOpen(operation) || written === undefined) return operation;
    const read = firstReads.get(written);
    if (read?.output === undefined)
      return compared.has(written)
        ? operation
        : { ...operation, input: values.unread(operation.input) };
    // Read before it was written, it has no place before that read: the search finds that there is none.
    if (writers.get(written) !== 1 || endOf(read) < operation.call) return operation;
    return { ...operation, return: read.return, output: values.answer(read.output) };
  });
}

function endOf<I, O>({ return: end }: Operation<I, O>): number {
  return end ?? Infinity;
}
