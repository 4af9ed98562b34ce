/**
 * How many bytes the log holds, and from which index on it holds at most so many: running sums over stretches of
 * entries, so that a log of a million entries costs a thousand numbers. Cutting a stretch counts its entries as equally
 * large: whoever asks wants to know when to compact, not the last byte.
 */
import { LogIndex } from "../../lib/types.ts";

/** Entries to a sum: a bound kept this exactly is exact enough beside the tens of thousands that a log keeps. */
const stretchEntries = 1_000;

interface Stretch {
  readonly first: number;
  entries: number;
  bytes: number;
}

export class LogSizes {
  #stretches: Stretch[] = [];
  #bytes = 0;

  /** Bytes of all entries after the base, as stored. */
  get bytes(): number {
    return this.#bytes;
  }

  add(index: LogIndex, bytes: number): void {
    const open = this.#stretches.at(-1);
    this.#bytes += bytes;
    if (open === undefined || open.entries >= stretchEntries)
      this.#stretches.push({ first: index, entries: 1, bytes });
    else {
      open.entries += 1;
      open.bytes += bytes;
    }
  }

  /** The entries from this one on are replaced. */
  truncateFrom(index: LogIndex): void {
    for (let open = this.#stretches.at(-1); open !== undefined; open = this.#stretches.at(-1)) {
      if (open.first + open.entries <= index) return;
      const kept = Math.max(0, index - open.first);
      const bytes = (open.bytes * kept) / open.entries;
      this.#bytes -= open.bytes - bytes;
      if (kept > 0) {
        open.bytes = bytes;
        open.entries = kept;
        return;
      }
      this.#stretches.pop();
    }
  }

  /** The entries up to this one are gone. */
  dropTo(index: LogIndex): void {
    const kept: Stretch[] = [];
    for (const { first, entries, bytes } of this.#stretches) {
      const dropped = Math.min(entries, Math.max(0, index + 1 - first));
      if (dropped === entries) continue;
      const left = entries - dropped;
      kept.push({ first: first + dropped, entries: left, bytes: (bytes * left) / entries });
    }
    this.#stretches = kept;
    this.#bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The lowest index (to the stretch) after which the log has at most `bytes`. */
  indexKeeping(bytes: number): LogIndex {
    let sum = 0;
    for (const { first, entries, bytes: own } of this.#stretches.toReversed()) {
      sum += own;
      if (sum > bytes) return LogIndex(first + entries - 1);
    }
    return LogIndex((this.#stretches[0]?.first ?? 1) - 1);
  }
}
