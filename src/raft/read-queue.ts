/**
 * Linearizable reads without log entries (dissertation §6.4). Reads queue at a leader under positions that only
 * grow; heartbeats carry the newest position; a voter's answer acknowledges that position and all before it. What
 * a quorum acknowledged is confirmed. Since positions never come back, a late, doubled or retried answer can only
 * confirm what was asked before it (R7; etcd #20418).
 */
import type { LogIndex } from "../lib/types.ts";

interface PendingRead {
  readonly id: number;
  readonly position: number;
  /** The commit index when the read came, or the term's first entry while that is not committed. */
  readonly index: LogIndex;
}

export class ReadQueue {
  #position = 0;
  readonly #pending: PendingRead[] = [];

  /** The newest position, to be carried by the next heartbeats. */
  get position(): number {
    return this.#position;
  }

  get size(): number {
    return this.#pending.length;
  }

  add(id: number, index: LogIndex): void {
    this.#position += 1;
    this.#pending.push({ id, position: this.#position, index });
  }

  /** Takes out the reads that a quorum has confirmed. */
  confirm(position: number): readonly { readonly id: number; readonly index: LogIndex }[] {
    let count = 0;
    for (const read of this.#pending) {
      if (read.position > position) break;
      count += 1;
    }
    return this.#pending.splice(0, count);
  }

  /** Takes out all, to be refused. */
  drain(): number[] {
    return this.#pending.splice(0).map(({ id }) => id);
  }
}
