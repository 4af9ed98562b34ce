/** The definition of linearizability and nothing else, to hold the search against: every order of every selection. */
import { type Model, type Operation, isOpen } from "./operation.ts";

/** Of operations on one key, few of them: n! orders. */
export function isLinearizableByForce<S, I, O>(
  model: Model<S, I, O>,
  operations: readonly Operation<I, O>[],
): boolean {
  const answered = operations.filter((operation) => !isOpen(operation));
  const open = operations.filter((operation) => isOpen(operation));
  return selections(open).some((some) =>
    orders([...answered, ...some]).some(
      (order) => keepsTime(order) && canAnswer(model, order, operations[0]?.key ?? ""),
    ),
  );
}

function selections<T>([first, ...rest]: readonly T[]): T[][] {
  if (first === undefined) return [[]];
  return selections(rest).flatMap((some) => [some, [first, ...some]]);
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) =>
    orders(items.toSpliced(i, 1)).map((order): T[] => [item, ...order]),
  );
}

function keepsTime<I, O>(order: readonly Operation<I, O>[]): boolean {
  return order.every((later, i) =>
    order.slice(i + 1).every((sooner) => {
      const end = isOpen(sooner) ? Infinity : (sooner.return ?? Infinity);
      return end >= later.call;
    }),
  );
}

function canAnswer<S, I, O>(
  model: Model<S, I, O>,
  order: readonly Operation<I, O>[],
  key: string,
): boolean {
  let states: readonly S[] = [model.initial(key)];
  for (const { input, output } of order)
    states = states.flatMap((state) => model.step(state, input, output));
  return states.length > 0;
}
