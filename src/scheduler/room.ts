/** What a node has in hand while a plan is made, and what it has room for: F2, F3 and F11 of policy.ts. */
import type { JobId, NodeId } from "../lib/types.ts";

/** A node that may be given work: up, this boot, and so many inference threads. */
export interface NodeCapacity {
  readonly node: NodeId;
  readonly boot: string;
  readonly slots: number;
}

/** Work per slot in predicted milliseconds: neither a round trip nor an election (150 ms) leaves a slot idle. */
export const aheadMs = 250;
/** One running and one that waits: the next is there when the slot asks. */
export const leastPerSlot = 2;
/** Jobs that take turns on a slot: more would hold more models, inputs and queries there than a death should throw back. */
export const turnsPerSlot = 4;
/** Of a job that takes turns: one whose turns they are, and the next. */
export const queriesPerTurn = 2;
/** Beyond this a node's death would throw back too much, and no model is so fast that 250 ms need more. */
export const mostPerSlot = 64;

/** F2: what of a node's room counts for a job. */
export interface TurnRules {
  /** Room to take turns. */
  readonly mayTurn: boolean;
  /** Room for the next query of a job that does. */
  readonly mayHaveNext: boolean;
}

export class Load implements NodeCapacity {
  readonly node: NodeId;
  readonly boot: string;
  readonly slots: number;
  readonly #byJob = new Map<JobId, number>();
  #queries = 0;
  #ms = 0;
  /** Slots with a query of a job, over all jobs. */
  #turns = 0;
  #suspects = 0;

  constructor({ node, boot, slots }: NodeCapacity) {
    this.node = node;
    this.boot = boot;
    this.slots = slots;
  }

  /** One query more. Of unknown cost it counts as a slot's full share: so such nodes get 2 a slot. */
  take(job: JobId, ms: number = aheadMs): void {
    if (this.lacks(job)) this.#turns += 1;
    this.#queries += 1;
    this.#ms += ms;
    this.#byJob.set(job, this.#of(job) + 1);
  }

  /** F11. */
  takeSuspect(): void {
    this.#suspects += 1;
  }

  get isIdle(): boolean {
    return this.#queries < this.slots;
  }

  /** Whether it may have more queries at all. */
  get isUnderMost(): boolean {
    return this.#queries < mostPerSlot * this.slots;
  }

  /** F11. */
  get isUnderMostSuspects(): boolean {
    return this.#suspects < mostPerSlot * this.slots;
  }

  /** Whether a slot has nothing of this job. */
  lacks(job: JobId): boolean {
    return this.#of(job) < this.slots;
  }

  /** F2: whether it has room for some job. */
  isOpen({ mayHaveNext }: Pick<TurnRules, "mayHaveNext">): boolean {
    return this.#hasTurn || (mayHaveNext && this.#hasNext) || this.#hasRoom;
  }

  /** F2: whether it has room for this one. */
  hasRoomFor(job: JobId, { mayTurn, mayHaveNext }: TurnRules): boolean {
    if (this.#hasRoom) return true;
    if (this.lacks(job)) return mayTurn && this.#hasTurn;
    return mayHaveNext && this.#hasNext && this.#of(job) < queriesPerTurn * this.slots;
  }

  /** For any job's query. */
  get #hasRoom(): boolean {
    if (this.#queries < leastPerSlot * this.slots) return true;
    return this.isUnderMost && this.#ms < aheadMs * this.slots;
  }

  /** For a job more to take turns. */
  get #hasTurn(): boolean {
    return this.isUnderMost && this.#turns < turnsPerSlot * this.slots;
  }

  /** For the next query of some job that takes turns. */
  get #hasNext(): boolean {
    return this.#queries < queriesPerTurn * turnsPerSlot * this.slots;
  }

  #of(job: JobId): number {
    return this.#byJob.get(job) ?? 0;
  }

  /** F3; of equals the one with fewer queries, then by name. */
  static isIdler(this: void, a: Load, b: Load): boolean {
    const ms = a.#ms / a.slots - b.#ms / b.slots;
    if (ms !== 0) return ms < 0;
    const queries = a.#queries / a.slots - b.#queries / b.slots;
    return queries === 0 ? a.node < b.node : queries < 0;
  }

  /** F11; of equals F3. */
  static hasFewerSuspects(this: void, a: Load, b: Load): boolean {
    const more = a.#suspects / a.slots - b.#suspects / b.slots;
    return more === 0 ? Load.isIdler(a, b) : more < 0;
  }
}

/** F2, F3: where a job's next query goes; undefined when nobody has room for it. */
export function placeFor(job: JobId, loads: readonly Load[], rules: TurnRules): Load | undefined {
  let best: Load | undefined;
  for (const load of loads) {
    if (!load.hasRoomFor(job, rules)) continue;
    if (best === undefined || isBetter(load, best, job)) best = load;
  }
  return best;
}

function isBetter(load: Load, best: Load, job: JobId): boolean {
  const lacks = load.lacks(job);
  return lacks === best.lacks(job) ? Load.isIdler(load, best) : lacks;
}
