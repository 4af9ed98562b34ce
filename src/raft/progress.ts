/**
 * What a leader knows of one peer's log, and how much it may send it now.
 *
 * `probe`: the place where the logs agree is not known; one append at a time looks for it.
 * `replicate`: appends are sent optimistically, up to a window of messages and bytes.
 * `snapshot`: the peer needs entries that are compacted away; it has been offered a snapshot and fetches it, however
 * long that takes. Nothing is sent but heartbeats, with the offer again in case it was lost.
 *
 * Invariants: matchIndex < nextIndex; matchIndex never falls while the peer keeps its log (a damaged one may lose
 * it, and says so); in flight ≤ both bounds.
 */
import { LogIndex } from "../lib/types.ts";
import type { NodeId, Term } from "../lib/types.ts";
import type { RaftLimits } from "./types.ts";

export class Progress {
  readonly peer: NodeId;
  matchIndex = LogIndex(0);
  nextIndex: LogIndex;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** A probe is out: nothing more until it is answered or a heartbeat is. */
  probing = false;
  /** Local time of the last message from this peer; -Infinity: none in this term. */
  lastContact = Number.NEGATIVE_INFINITY;
  /** The newest read position that the peer has acknowledged (read-queue.ts). */
  ackedRead = 0;
  /** When the newest heartbeat that it answered was sent, in this node's ms: leases count from it (R10). */
  leaseFrom = Number.NEGATIVE_INFINITY;
  /** The newest commit index sent, so that an idle peer still learns it. */
  sentCommit = LogIndex(0);
  /** The peer said that its log is damaged: it counts for no commit, vote or read until it reaches healIndex (R9). */
  healIndex: LogIndex | undefined;
  /** Ask with an empty append whether what is in flight arrived: it was not acknowledged for a heartbeat round. */
  verify = false;
  /** The snapshot has to be offered, for the first time or again. */
  offer = false;
  #matchAtHeartbeat = LogIndex(0);
  readonly #limits: RaftLimits;
  readonly #inflight: { readonly lastIndex: LogIndex; readonly bytes: number }[] = [];
  #inflightBytes = 0;

  constructor(peer: NodeId, nextIndex: LogIndex, limits: RaftLimits) {
    this.peer = peer;
    this.nextIndex = nextIndex;
    this.#limits = limits;
  }

  get inflight(): number {
    return this.#inflight.length;
  }

  get paused(): boolean {
    if (this.state === "snapshot") return true;
    if (this.state === "probe") return this.probing;
    return (
      this.#inflight.length >= this.#limits.inflightMessages ||
      this.#inflightBytes >= this.#limits.inflightBytes
    );
  }

  /** An append ending in lastIndex left. */
  sent(lastIndex: LogIndex, bytes: number): void {
    if (this.state === "probe") {
      this.probing = true;
      return;
    }
    if (bytes === 0) return;
    this.#inflight.push({ lastIndex, bytes });
    this.#inflightBytes += bytes;
    this.nextIndex = LogIndex(lastIndex + 1);
  }

  /**
   * A heartbeat was answered. A lost probe is asked again. Appends in flight that made no progress since the last
   * answer may be lost as well (a full queue, a broken connection not yet noticed), or wait for a slow disk: an empty
   * append tells which (etcd #14633).
   */
  heartbeatAnswered(): void {
    if (this.state === "probe") this.probing = false;
    this.offer = this.state === "snapshot";
    this.verify =
      this.state === "replicate" &&
      this.#inflight.length > 0 &&
      this.matchIndex === this.#matchAtHeartbeat;
    this.#matchAtHeartbeat = this.matchIndex;
  }

  /**
   * The peer's log matches up to here; `base` is where the leader's own begins. A peer that fetches a snapshot is
   * done with it as soon as it can be served from the log, whichever snapshot that was (etcd #10308, raft #110).
   */
  matched(matchIndex: LogIndex, base: LogIndex): void {
    let answered = 0;
    for (const { lastIndex, bytes } of this.#inflight) {
      if (lastIndex > matchIndex) break;
      this.#inflightBytes -= bytes;
      answered += 1;
    }
    this.#inflight.splice(0, answered);
    if (matchIndex > this.matchIndex) this.matchIndex = matchIndex;
    if (this.state === "snapshot" && this.matchIndex < base) return;
    if (this.state !== "replicate") {
      this.state = "replicate";
      this.probing = false;
      this.nextIndex = LogIndex(this.matchIndex + 1);
    } else if (this.nextIndex <= matchIndex) this.nextIndex = LogIndex(matchIndex + 1);
  }

  /**
   * The peer refused an append after prevIndex; `retryAt` is where the leader's search by term continues.
   * Returns false for a stale refusal.
   */
  conflicted(prevIndex: LogIndex, retryAt: LogIndex): boolean {
    if (this.state === "snapshot") return false;
    const stale =
      this.state === "replicate" ? prevIndex <= this.matchIndex : prevIndex !== this.nextIndex - 1;
    if (stale) return false;
    this.probe();
    this.nextIndex = LogIndex(Math.max(Math.min(prevIndex, retryAt + 1), this.matchIndex + 1));
    return true;
  }

  /**
   * Starts over from what is known: the connection broke, or the peer's log is not what we thought. Of a peer that has
   * acknowledged nothing yet, nothing is known: the search goes on where it was, for it may hold all but the end.
   */
  probe(): void {
    this.state = "probe";
    this.probing = false;
    this.offer = false;
    this.#inflight.length = 0;
    this.#inflightBytes = 0;
    if (this.matchIndex > 0) this.nextIndex = LogIndex(this.matchIndex + 1);
  }

  /** What the peer needs is compacted away. */
  needsSnapshot(): void {
    this.probe();
    this.state = "snapshot";
    this.offer = true;
  }

  /** The peer's log was damaged: what it acknowledged before may be gone. The search begins at the leader's end. */
  damaged(healIndex: LogIndex): void {
    this.matchIndex = LogIndex(0);
    this.healIndex = healIndex;
    this.probe();
    this.nextIndex = LogIndex(healIndex + 1);
  }
}

/** Where a term search may continue: `index` with the term the leader has there at most `term` (fast back-off, §5.3). */
export function lastIndexAtMostTerm(
  termOf: (index: LogIndex) => Term | undefined,
  from: LogIndex,
  term: Term,
  floor: LogIndex,
): LogIndex {
  let index = from;
  for (; index > floor; index = LogIndex(index - 1)) {
    const here = termOf(index);
    if (here === undefined || here <= term) break; // unreachable: every index over the floor has a term
  }
  return index;
}
