/** Links between nodes: each direction may be cut; messages are delayed, lost, doubled, and some come very late. */
import type { Random } from "../../../src/lib/random.ts";
import type { Message } from "../../../src/raft/types.ts";

export interface Faults {
  /** Chances in a thousand per message. */
  readonly loss: number;
  readonly duplication: number;
  /** Chance in a thousand of a copy that arrives up to lateMs later, whatever happened since. */
  readonly late: number;
  readonly lateMs: number;
  readonly delayMs: number;
  /** Longest time of a synced write; one in fifty takes ten times as long. */
  readonly diskMs: number;
}

export const calm: Faults = {
  loss: 0,
  duplication: 0,
  late: 0,
  lateMs: 0,
  delayMs: 1,
  diskMs: 1,
};

/** What etcd's users have seen of disks that were still to be called working (etcd #7312). */
const longestWriteMs = 4_000;

export class Network {
  faults: Faults = calm;
  /** Every write takes just this long. */
  syncMs: number | undefined;
  /** Whose disk takes ten times as long. */
  slow: string | undefined;
  /** "a>b" for each directed link that is cut. */
  readonly cut = new Set<string>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  isCut(from: string, to: string): boolean {
    return this.cut.has(`${from}>${to}`);
  }

  /** After how many ms each copy of a message arrives; none: it is lost. */
  delays({ from, to }: Message): readonly number[] {
    const random = this.#random;
    const { loss, duplication, late, lateMs, delayMs } = this.faults;
    if (this.isCut(from, to) || random.chance(loss, 1_000)) return [];
    const delays = [random.between(0, delayMs)];
    if (random.chance(duplication, 1_000)) delays.push(random.between(0, delayMs + 500));
    if (random.chance(late, 1_000)) delays.push(random.between(0, lateMs));
    return delays;
  }

  /** How long a write of this node takes. */
  writeMs(id: string): number {
    if (this.syncMs !== undefined) return this.syncMs;
    const { diskMs } = this.faults;
    const ms = this.#random.between(0, diskMs) * (id === this.slow ? 10 : 1);
    return Math.min(longestWriteMs, this.#random.chance(1, 50) ? ms * 10 : ms);
  }

  isolate(id: string, others: Iterable<string>): void {
    for (const other of others)
      if (other !== id) this.cut.add(`${id}>${other}`).add(`${other}>${id}`);
  }

  /** Two sides that do not hear each other; whoever is the bridge hears both (openraft #2080). */
  split(ids: readonly string[], bridge: string | undefined): void {
    const left = ids.filter((id) => id !== bridge && this.#random.chance(1, 2));
    const right = ids.filter((id) => id !== bridge && !left.includes(id));
    const oneWay = this.#random.chance(1, 3);
    for (const a of left)
      for (const b of right) {
        this.cut.add(`${a}>${b}`);
        if (!oneWay) this.cut.add(`${b}>${a}`);
      }
  }
}
