/**
 * Looks for an order of one key's operations that the model could have answered as the cluster did, and in which no
 * operation comes before one that had ended when it was called (Wing and Gong, 1993), depth first with a memo (memo.ts).
 * Operations of unknown outcome are tried after all others and need not be placed at all.
 */
import { Memo, Placed } from "./memo.ts";
import { type Model, type Operation, isOpen } from "./operation.ts";
import { Timeline } from "./timeline.ts";

/** What the search of one key found. */
export type Found<I, O> =
  | { readonly kind: "linearizable" }
  | {
      readonly kind: "violation";
      readonly longest: readonly Operation<I, O>[];
      readonly stuck: readonly Operation<I, O>[];
    }
  | { readonly kind: "undecided" };

/** An operation that may come next, and the state after it. */
interface Move<S> {
  readonly kind: "answered" | "open";
  /** Its place among the answered or among the open ones. */
  readonly n: number;
  readonly state: S;
}

/** A place in the search: how it was reached, and where it may go on. */
interface Place<S> {
  readonly by: Move<S> | undefined;
  readonly state: S;
  readonly moves: readonly Move<S>[];
  tried: number;
}

export class Search<S, I, O> {
  readonly #model: Model<S, I, O>;
  readonly #answered: readonly Operation<I, O>[];
  readonly #open: readonly Operation<I, O>[];
  /** Of each open operation the last one before it that asks for the same: it is placed first. */
  readonly #twins: readonly (number | undefined)[];
  readonly #timeline: Timeline;
  readonly #placedAnswered: Placed;
  readonly #placedOpen: Placed;
  readonly #memo = new Memo();
  readonly #path: Place<S>[] = [];
  #longest: readonly Operation<I, O>[] = [];
  #stuck: readonly Operation<I, O>[] = [];
  #most = -1;

  constructor(model: Model<S, I, O>, operations: readonly Operation<I, O>[]) {
    this.#model = model;
    const sorted = operations.toSorted((a, b) => a.call - b.call);
    this.#answered = sorted.filter((operation) => !isOpen(operation));
    this.#open = sorted.filter((operation) => isOpen(operation));
    this.#twins = twinsOf(this.#open);
    this.#timeline = new Timeline(
      this.#answered.map(({ call, return: end = Infinity }) => ({ call, return: end })),
    );
    this.#placedAnswered = new Placed(this.#answered.length);
    this.#placedOpen = new Placed(this.#open.length);
  }

  run(initial: S, maxStates: number): Found<I, O> {
    let states = 0;
    this.#enter(undefined, initial);
    while (this.#placedAnswered.count < this.#answered.length) {
      const place = this.#path.at(-1);
      if (place === undefined)
        return { kind: "violation", longest: this.#longest, stuck: this.#stuck };
      const move = place.moves[place.tried];
      place.tried += 1;
      if (move === undefined) {
        this.#path.pop();
        if (place.by !== undefined) this.#undo(place.by);
        continue;
      }
      this.#make(move);
      if (!this.#isNew(move.state)) {
        this.#undo(move);
        continue;
      }
      states += 1;
      if (states > maxStates) return { kind: "undecided" };
      this.#enter(move, move.state);
    }
    return { kind: "linearizable" };
  }

  #isNew(state: S): boolean {
    return this.#memo.isNew(this.#placedAnswered, this.#placedOpen, this.#model.keyOf(state));
  }

  #make({ kind, n }: Move<S>): void {
    if (kind === "open") return this.#placedOpen.add(n);
    this.#placedAnswered.add(n);
    this.#timeline.take(n);
  }

  #undo({ kind, n }: Move<S>): void {
    if (kind === "open") return this.#placedOpen.remove(n);
    this.#placedAnswered.remove(n);
    this.#timeline.putBack(n);
  }

  #enter(by: Move<S> | undefined, state: S): void {
    const front = this.#timeline.front();
    const before = this.#path.at(-1);
    const moves = this.#moves(state, front);
    // After one of unknown outcome nothing comes that would lead to the same state without it: then it is not needed.
    const needed =
      by?.kind !== "open" || before === undefined
        ? moves
        : moves.filter((move) => !this.#leadsTo(before.state, move));
    this.#path.push({ by, state, moves: needed, tried: 0 });
    if (this.#placedAnswered.count > this.#most) this.#note(front.operations);
  }

  #moves(
    state: S,
    { operations, until }: { readonly operations: readonly number[]; readonly until: number },
  ): readonly Move<S>[] {
    const moves: Move<S>[] = [];
    for (const n of operations) {
      const operation = this.#answered[n];
      for (const next of this.#after(state, operation)) {
        const move: Move<S> = { kind: "answered", n, state: next };
        // A read that can be placed here need not come later.
        if (this.#isRead(operation)) return [move];
        moves.push(move);
      }
    }
    const here = this.#model.keyOf(state);
    for (const [n, operation] of this.#open.entries()) {
      if (operation.call > until) break;
      const twin = this.#twins[n];
      if (this.#placedOpen.has(n) || (twin !== undefined && !this.#placedOpen.has(twin))) continue;
      // One that changes nothing may as well not have happened.
      for (const next of this.#after(state, operation))
        if (this.#model.keyOf(next) !== here) moves.push({ kind: "open", n, state: next });
    }
    return moves;
  }

  #leadsTo(from: S, { kind, n, state }: Move<S>): boolean {
    const key = this.#model.keyOf(state);
    const operation = (kind === "open" ? this.#open : this.#answered)[n];
    return this.#after(from, operation).some((next) => this.#model.keyOf(next) === key);
  }

  #after(state: S, operation: Operation<I, O> | undefined): readonly S[] {
    if (operation === undefined) return [];
    return this.#model.step(state, operation.input, operation.output);
  }

  #isRead(operation: Operation<I, O> | undefined): boolean {
    if (operation?.output === undefined) return false;
    return this.#model.isRead?.(operation.input, operation.output) ?? false;
  }

  /** No order found so far has come this far. */
  #note(front: readonly number[]): void {
    this.#most = this.#placedAnswered.count;
    this.#longest = this.#path.flatMap(({ by }) =>
      by === undefined ? [] : ((by.kind === "open" ? this.#open : this.#answered)[by.n] ?? []),
    );
    this.#stuck = front.flatMap((n) => this.#answered[n] ?? []);
  }
}

function twinsOf<I, O>(operations: readonly Operation<I, O>[]): readonly (number | undefined)[] {
  const newest = new Map<string, number>();
  return operations.map(({ input, output }, n) => {
    const asks = JSON.stringify([input, output]);
    const twin = newest.get(asks);
    newest.set(asks, n);
    return twin;
  });
}
