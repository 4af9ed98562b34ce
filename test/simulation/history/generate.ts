/**
 * Histories of a real atomic object: clients that each do one thing after another, every operation taking effect at one
 * moment between its call and its return. What comes out is linearizable by construction.
 */
import type { Random } from "../../../src/lib/random.ts";
import type { Operation } from "./operation.ts";

export interface GenerateOptions<I> {
  readonly random: Random;
  readonly clients: number;
  readonly operations: number;
  readonly keys: readonly string[];
  /** Of how many operations in a hundred nobody hears; half of those take effect all the same, some of them late. */
  readonly openPercent: number;
  readonly draw: (random: Random, n: number) => I;
}

/** Longest time from call to effect and from effect to return, in ms. */
const slowMs = 40;
/** An unanswered request may lie somewhere for so long, in ms. */
const lateMs = 400;

interface Planned<I> {
  readonly client: number;
  readonly key: string;
  readonly call: number;
  /** undefined: it is lost on its way. */
  readonly effect: number | undefined;
  readonly return: number | undefined;
  readonly input: I;
}

/** @param take carries out one operation on the object */
export function generate<I, O>(
  options: GenerateOptions<I>,
  take: (key: string, input: I) => O,
): Operation<I, O>[] {
  const planned = plan(options);
  const outputs = new Map<Planned<I>, O>();
  const effective = planned.filter(({ effect }) => effect !== undefined);
  for (const one of effective.toSorted((a, b) => (a.effect ?? 0) - (b.effect ?? 0)))
    outputs.set(one, take(one.key, one.input));
  return planned.map((one) => ({
    client: one.client,
    key: one.key,
    call: one.call,
    return: one.return,
    input: one.input,
    output: one.return === undefined ? undefined : outputs.get(one),
  }));
}

function plan<I>(options: GenerateOptions<I>): Planned<I>[] {
  const { random, clients, operations, keys, openPercent, draw } = options;
  const free = Array.from({ length: clients }, () => random.between(0, slowMs));
  return Array.from({ length: operations }, (_, n) => {
    const client = free.indexOf(Math.min(...free));
    const call = free[client] ?? 0;
    const isOpen = random.chance(openPercent, 100);
    const isLost = isOpen && random.chance(1, 2);
    const effect = call + random.between(0, isOpen ? lateMs : slowMs);
    const end = isOpen ? call + slowMs : effect + random.between(0, slowMs);
    free[client] = end + random.between(1, 5);
    return {
      client,
      key: random.pick(keys) ?? "x",
      call,
      effect: isLost ? undefined : effect,
      return: isOpen ? undefined : end,
      input: draw(random, n),
    };
  });
}
