/**
 * Watches the room on the disk that holds the log, so that a full disk is met as a state and not as a failed sync:
 * below the reserve this node takes no more entries and lets another one lead, and goes on by itself when there is
 * room again. The reserve is what votes, compaction and LevelDB's own rewriting still need.
 */
import { statfs } from "node:fs/promises";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { Logger } from "./log.ts";

/** Room kept free, in bytes: several of LevelDB's files being rewritten, and minutes of votes. */
export const defaultReserveBytes = 128 * 1024 * 1024;
/** How often to look, in ms: a disk that takes 100 MB a second does not use up the reserve in between. */
const lookMs = 1_000;
/** There is room again with this much more than the reserve, so that the node does not waver. */
const enoughShare = 1.25;

export interface DiskWatchPorts {
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly onChange: (full: boolean) => void;
  /** Bytes that this process may still write. Default: what the file system says. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

export class DiskWatch {
  readonly #directory: string;
  readonly #reserveBytes: number;
  readonly #ports: DiskWatchPorts;
  #isFull = false;
  #looking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(
    options: { readonly directory: string; readonly reserveBytes: number },
    ports: DiskWatchPorts,
  ) {
    this.#directory = options.directory;
    this.#reserveBytes = options.reserveBytes;
    this.#ports = ports;
  }

  start(): void {
    void this.look(); // says its failure
    this.#timer = this.#ports.runtime.every(lookMs, () => void this.look()); // says its failure
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Looks once; calls that overlap share one look after the other. */
  async look(): Promise<void> {
    const before = this.#looking;
    this.#looking = (async () => {
      await before;
      await this.#lookNow();
    })();
    await this.#looking;
  }

  async #lookNow(): Promise<void> {
    const { log, onChange, freeBytes = freeOnDisk } = this.#ports;
    let free: number;
    try {
      free = await freeBytes(this.#directory);
    } catch (error) {
      // Not knowing is no reason to stop: a sync that fails ends the node all the same.
      log.warn("disk-unknown", { error: String(error) });
      return;
    }
    const full = this.#isFull ? free < this.#reserveBytes * enoughShare : free < this.#reserveBytes;
    if (full === this.#isFull) return;
    this.#isFull = full;
    if (full) log.error("disk-full", { freeBytes: free, reserveBytes: this.#reserveBytes });
    else log.info("disk-has-room", { freeBytes: free });
    onChange(full);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#looking;
  }
}

/** What an unprivileged process may use. */
async function freeOnDisk(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
