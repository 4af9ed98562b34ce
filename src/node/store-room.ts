/**
 * Watches the room on the disk that holds the chunks, as every node does for its own. Below the reserve no chunk is
 * taken, so that a put goes elsewhere, or is refused, before a write fails; how much room there is the cluster is told
 * (sdfs/catalog/room.ts), so that placement can go by it.
 *
 * W1 What is free never goes below the reserve by chunks: every write is counted before it begins.
 */
import { IDunnoError } from "../lib/errors.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { NodeId } from "../lib/types.ts";
import type { Machine, Mutation } from "../machine/machine.ts";
import { roomToSay } from "../sdfs/catalog/room.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Chunks } from "./ports.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Room kept free of chunks for what the log keeps free, in bytes: twice as much, so that chunks stop before the log does. */
export function chunkReserve(logReserveBytes: number): number {
  return 2 * logReserveBytes;
}

/** How often to look, in ms. */
const lookMs = 1_000;
/** There is room again with this much more than the reserve, so that the store does not waver. */
const enoughShare = 1.25;
/** How long telling it may take, in ms; then it is told anew. */
const tellMs = 10_000;

export interface StoreRoomPorts {
  readonly self: NodeId;
  readonly store: Chunks;
  readonly state: StateStore;
  readonly machine: Machine;
  readonly coordination: Coordination;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class StoreRoom {
  readonly #reserveBytes: number;
  readonly #ports: StoreRoomPorts;
  readonly #heldHere: string;
  readonly #closing = sharedAbort();
  #timer: Timer | undefined;
  /** Bytes free when last looked, less what has been taken since; undefined: it is not known. */
  #free: number | undefined;
  #isFull = false;
  /** What the catalog says is here: chunks and their bytes; undefined until it was counted. */
  #held: { chunks: number; bytes: number } | undefined;
  #looking: Promise<void> | undefined;

  constructor({ reserveBytes }: { readonly reserveBytes: number }, ports: StoreRoomPorts) {
    this.#reserveBytes = reserveBytes;
    this.#ports = ports;
    this.#heldHere = `held/${ports.store.id}/`;
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(lookMs, () => this.#look());
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Bytes that may still be written, the reserve not among them; undefined while it is not known. */
  get freeBytes(): number | undefined {
    return this.#free === undefined ? undefined : Math.max(0, this.#free - this.#reserveBytes);
  }

  /**
   * W1: to be called before bytes are written.
   * @throws IDunnoError NO_SPACE
   */
  take(bytes: number): void {
    if (this.#free === undefined) return;
    if (this.#isFull || this.#free - bytes < this.#reserveBytes)
      throw new IDunnoError("NO_SPACE", { node: this.#ports.self });
    this.#free -= bytes;
  }

  /** Called for every command that is applied. */
  applied(mutations: readonly Mutation[]): void {
    const held = this.#held;
    if (held === undefined) return;
    for (const { key, value } of mutations) {
      if (!key.startsWith(this.#heldHere)) continue;
      // What went is not said any more: of average size. It is a weight, and counted anew at each start.
      const bytes = value === undefined ? -held.bytes / Math.max(1, held.chunks) : Number(value);
      held.bytes = Math.max(0, held.bytes + bytes);
      held.chunks = Math.max(0, held.chunks + (value === undefined ? -1 : 1));
    }
  }

  #look(): void {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookNow(): Promise<void> {
    const { store, log } = this.#ports;
    try {
      const free = await store.freeBytes();
      const enough = this.#reserveBytes * (this.#isFull ? enoughShare : 1);
      const isFull = free < enough;
      this.#free = free;
      if (isFull !== this.#isFull) {
        this.#isFull = isFull;
        if (isFull) log.warn("store-full", { freeBytes: free, reserveBytes: this.#reserveBytes });
        else log.info("store-has-room", { freeBytes: free });
      }
      await this.#tell(free);
    } catch (error) {
      if (!this.#closing.signal.aborted) log.debug("room-not-told", { error: String(error) });
    }
  }

  async #tell(free: number): Promise<void> {
    const { machine, self, store, coordination, runtime } = this.#ports;
    const known = machine.stores.get(store.id);
    if (known?.node !== self || known.state !== "active") return;
    this.#held ??= await this.#count();
    const bytes = this.#isFull ? 0 : free - this.#reserveBytes + this.#held.bytes;
    const room = roomToSay(bytes, known.room);
    if (room === known.room) return;
    using limit = deadline(runtime, "telling the room", tellMs, this.#closing.signal);
    await coordination.decide(
      { kind: "weigh-store", store: store.id, room },
      { key: undefined, signal: limit },
    );
  }

  async #count(): Promise<{ chunks: number; bytes: number }> {
    const held = { chunks: 0, bytes: 0 };
    for await (const [, bytes] of this.#ports.state.rows(this.#heldHere)) {
      held.chunks += 1;
      held.bytes += Number(bytes);
    }
    return held;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#closing.abort();
    await this.#looking;
  }
}
