/**
 * The sending side of snapshots: keeps views of the state open and reads chunks from them. A view costs nothing but the
 * rows that were replaced since, so several nodes read the same one, and whoever stops asking is forgotten.
 */
import type { Runtime, Timer } from "../../lib/runtime.ts";
import { IDunnoError } from "../../lib/errors.ts";
import type { StateView } from "../stores/state-folder.ts";
import {
  chunkBytes,
  count,
  describePosition,
  noTally,
  packRows,
  type SealedRow,
  type SnapshotHead,
  type SnapshotRequest,
  type Tally,
} from "./snapshot-chunk.ts";

export const sourceLimits = {
  /** Views open at once: each may be read by many; more than one only while an old one is still being read. */
  open: 3,
  /** Age in milliseconds at which a view is not begun with any more: what it lacks is sent as log entries. */
  freshMs: 60_000,
  /** Silence in milliseconds after which a view is closed: a restart of the asker fits in. */
  idleMs: 60_000,
} as const;

export interface SourcePorts {
  /** The durable state as of now. */
  readonly view: () => StateView;
  /** The log's base: an older view is of no use. */
  readonly baseIndex: () => number;
  readonly runtime: Runtime;
}

interface OpenSnapshot {
  readonly id: string;
  readonly view: StateView;
  readonly openedAt: number;
  usedAt: number;
  /** Rows and CRC up to each key that a chunk began after. */
  readonly tallies: Map<string, Tally>;
  timer: Timer;
}

export class SnapshotSource {
  readonly #ports: SourcePorts;
  readonly #open = new Map<string, OpenSnapshot>();
  readonly #closings = new Set<Promise<void>>();
  #isClosed = false;

  constructor(ports: SourcePorts) {
    this.#ports = ports;
  }

  /** The lowest index that an open snapshot stands for: the log from there on will be wanted. */
  get oldestIndex(): number | undefined {
    const indexes = Array.from(this.#open.values(), ({ view }) => view.position.index);
    return indexes.length === 0 ? undefined : Math.min(...indexes);
  }

  /**
   * The rows after a key.
   * @throws IDunnoError NOT_FOUND when the snapshot is not open any more: the asker starts over
   */
  async chunk({ snapshot, after }: Pick<SnapshotRequest, "snapshot" | "after">): Promise<{
    readonly head: SnapshotHead;
    readonly body: Uint8Array;
  }> {
    const open = snapshot === "" ? this.#newest() : this.#open.get(snapshot);
    const before = open?.tallies.get(after);
    if (open === undefined || before === undefined) throw unknown(snapshot);
    open.usedAt = this.#ports.runtime.now();
    open.timer.restart();
    const { rows, done } = await readRows(open.view, after);
    const next = rows.at(-1)?.[0] ?? after;
    const tally = count(before, rows);
    open.tallies.set(next, tally);
    const head = {
      snapshot: open.id,
      ...describePosition(open.view.position),
      next,
      ...tally,
      done,
    };
    return { head, body: packRows(rows) };
  }

  /** One that is young enough to begin with, or a new one. */
  #newest(): OpenSnapshot {
    const now = this.#ports.runtime.now();
    const base = this.#ports.baseIndex();
    const fresh = [...this.#open.values()].findLast(
      ({ openedAt, view }) => now - openedAt < sourceLimits.freshMs && view.position.index >= base,
    );
    if (fresh !== undefined) return fresh;
    if (this.#isClosed) throw new IDunnoError("CLOSED", { what: "the node" });
    const view = this.#ports.view();
    const id = this.#ports.runtime.randomHex(8);
    if (view.position.index === 0 || view.position.place === undefined) {
      this.#track(view.close());
      throw unknown("of an empty state");
    }
    const timer = this.#ports.runtime.after(sourceLimits.idleMs, () => this.#forget(id));
    const tallies = new Map([["", noTally]]);
    const opened = { id, view, openedAt: now, usedAt: now, tallies, timer };
    this.#open.set(id, opened);
    const byUse = [...this.#open.values()].sort((a, b) => a.usedAt - b.usedAt);
    for (const each of byUse.slice(0, Math.max(0, byUse.length - sourceLimits.open)))
      this.#forget(each.id);
    return opened;
  }

  #forget(id: string): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    open.timer.cancel();
    this.#track(open.view.close());
  }

  /** A view closes when the chunk that is being read from it has been read. */
  #track(closing: Promise<void>): void {
    // What fails to close fails the database's close as well, which is heard of.
    const ended = closing.catch(() => undefined).finally(() => this.#closings.delete(ended));
    this.#closings.add(ended);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const id of this.#open.keys()) this.#forget(id);
    await Promise.all(this.#closings);
  }
}

async function readRows(
  view: StateView,
  after: string,
): Promise<{ readonly rows: readonly SealedRow[]; readonly done: boolean }> {
  const rows: SealedRow[] = [];
  let bytes = 0;
  for await (const row of view.rows(after)) {
    if (bytes >= chunkBytes) return { rows, done: false };
    rows.push(row);
    bytes += row[0].length + row[1].length;
  }
  return { rows, done: true };
}

function unknown(name: string): IDunnoError {
  return new IDunnoError("NOT_FOUND", {
    kind: "snapshot",
    name,
    remedy: "ask for a new one",
  });
}
