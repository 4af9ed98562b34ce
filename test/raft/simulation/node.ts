/** One simulated process: its core, its disk, its clock, and what its driver would hold. */
import type { NodeId } from "../../../src/lib/types.ts";
import type { Raft } from "../../../src/raft/core.ts";
import type { Entry, Message, PersistWrite } from "../../../src/raft/types.ts";
import { Disk } from "./disk.ts";

/** A clock that starts anywhere and runs a little fast. */
export interface Clock {
  readonly offset: number;
  /** Local milliseconds per thousand of true ones. */
  readonly perMille: number;
}

export class SimulatedNode {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly clock: Clock;
  raft: Raft | undefined;
  /** Restarts make old events of this node void. */
  life = 0;
  applied = 0;
  writing: PersistWrite[] = [];
  held: { readonly afterWrite: number; readonly message: Message }[] = [];
  durableWrite = 0;
  /** Answers to reads by id; absent: not answered. */
  readonly reads = new Map<number, number | undefined>();
  /** Reads asked and not answered, of this life. */
  readonly asked = new Set<number>();
  isPaused = false;
  /** What came while it was paused. */
  backlog: (() => void)[] = [];
  /** When its timer goes off. */
  armed: number | undefined;
  hasTurn = false;
  /** Until when a snapshot is being fetched. */
  fetching = 0;
  /** What its disk held before it was damaged: acknowledged once, and no quorum without it before it is whole (R9). */
  lost: readonly Entry[] = [];
  /** While it is damaged: what it holds beyond counts for nothing (R9). */
  keptIndex: number | undefined;
  /** Its own ms when it last heard a leader of its term, or promised to behave as if it had (R8). */
  heardAt: number | undefined;
  isFull = false;
  /** It came later, and knows the founders by hearsay. */
  hasJoined = false;
  /** Up to where a leader was told that this log matches its own, by term: what counted, not what was merely sent. */
  readonly #promised = new Map<number, number>();

  constructor(id: NodeId, founders: readonly NodeId[], clock: Clock) {
    this.id = id;
    this.disk = new Disk(founders);
    this.clock = clock;
  }

  /** Its own milliseconds at a true time. */
  local(now: number): number {
    return this.clock.offset + Math.floor((now * this.clock.perMille) / 1_000);
  }

  /** The first true millisecond at which its clock shows at least `local`. */
  global(local: number): number {
    return Math.ceil(((local - this.clock.offset) * 1_000) / this.clock.perMille);
  }

  /** An answer of this node reached somebody. */
  arrived(message: Message): void {
    if (message.kind !== "appendReply" || message.damaged) return;
    const { term, result } = message;
    if (result.kind !== "matched") return;
    this.#promised.set(term, Math.max(this.#promised.get(term) ?? 0, result.matchIndex));
  }

  /** Whether the leader that made this entry was told that it is durable here. */
  hasPromised({ index, term }: Entry): boolean {
    return (this.#promised.get(term) ?? 0) >= index;
  }

  vouchesFor(index: number, term: number): boolean {
    const isSound = this.keptIndex === undefined || index <= this.keptIndex;
    return (
      (isSound && this.disk.holds(index, term)) ||
      this.lost.some((entry) => entry.index === index && entry.term === term)
    );
  }
}
