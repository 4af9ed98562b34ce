/**
 * What clients saw of a run, and what they may have seen: operations with their times, and the sequential object that
 * the cluster must look like.
 */

/**
 * One request of a client. Times are only compared: virtual milliseconds do, numbers of events do better, since of two
 * equal times nobody knows which came first (linearizability.ts).
 */
export interface Operation<I, O> {
  /** Who asked: for reading a report only, the order of a client's operations is in their times. */
  readonly client: number;
  /** Operations on different keys have nothing to do with each other. */
  readonly key: string;
  readonly call: number;
  /** undefined: never answered. */
  readonly return: number | undefined;
  readonly input: I;
  /** undefined: nobody knows what became of it. */
  readonly output: O | undefined;
}

/** A sequential object, of one key. States are values: a step makes new ones. */
export interface Model<S, I, O> {
  initial(key: string): S;
  /**
   * The states in which the object may be after it took `input` and answered `output`: none when it would never answer
   * so, several when what it does is not determined. Of an unknown output: what happens when the operation does take
   * effect. That it may not needs no state of its own.
   */
  step(state: S, input: I, output: O | undefined): readonly S[];
  /** Equal for equal states only. */
  keyOf(state: S): string;
  /** Whether an operation that answers so leaves every state as it is: it is placed as soon as it can be. */
  isRead?(input: I, output: O): boolean;
  /**
   * What the history of a key tells of its operations of unknown outcome: the same operations in the same order, said so
   * that fewer of them differ. Whether there is an order must not depend on it.
   */
  prepare?(operations: readonly Operation<I, O>[]): readonly Operation<I, O>[];
}

/** Whether it may take effect at any time after its call, or never. */
export function isOpen<I, O>({ return: end, output }: Operation<I, O>): boolean {
  return end === undefined || output === undefined;
}
