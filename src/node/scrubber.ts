/**
 * Reads every chunk that should be here and hashes it, as every node does for its own store: after each start, since
 * nobody knows what happened to the disk meanwhile, and then on a schedule. Damage is set aside, told and repaired, as
 * when a reader finds it.
 */
import { chunkBytes } from "../lib/content.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import { ChunkHash } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { settingOf } from "../machine/settings.ts";
import { fanOut } from "../sdfs/chunks/chunk-folder.ts";
import { sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Chunks } from "./ports.ts";
import { RateLimit } from "./rate-limit.ts";
import type { StateStore } from "./stores/state-store.ts";

/** How often it is asked whether a pass is due, in ms. */
const lookMs = 10_000;
/** Chunks whose names are read at once. */
const pageRows = 500;
const bytesPerMegabyte = 1_000_000;
/**
 * A chunk counts as so many bytes at least: opening a file costs a disk a seek and this process several trips to libuv's pool,
 * and of a million small files four megabytes a second would else be thousands each second.
 */
const leastBytes = 256 * 1024;
/** Small chunks are read together, so many of these bytes at a time: sixteen by themselves would wake this process eighty times. */
const togetherBytes = chunkBytes;
const msPerHour = 3_600_000;

export interface ScrubberPorts {
  readonly store: Chunks;
  readonly state: StateStore;
  readonly machine: Machine;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly reportLost: (lost: readonly ChunkHash[]) => Promise<void>;
}

export interface ScrubProgress {
  /** Whether a pass is under way. */
  readonly isRunning: boolean;
  /** Of the pass under way, or of the last one: chunks read, their bytes, and how many were damaged or gone. */
  readonly chunks: number;
  readonly bytes: number;
  readonly damaged: number;
  /** Passes that came to their end since this process began. */
  readonly passes: number;
  /** Milliseconds since the last of them ended. */
  readonly endedAgoMs?: number;
}

/** A chunk that should be here: `held/<store>/<hash>`, and its size. */
type Row = readonly [key: string, bytes: number];

/** Those that are read together, and what they count. */
function* groups(
  rows: readonly Row[],
): Generator<{ readonly hashes: readonly ChunkHash[]; readonly bytes: number }> {
  let hashes: ChunkHash[] = [];
  let bytes = 0;
  for (const [key, size] of rows) {
    const counted = Math.max(size, leastBytes);
    if (hashes.length > 0 && bytes + counted > togetherBytes) {
      yield { hashes, bytes };
      [hashes, bytes] = [[], 0];
    }
    hashes.push(ChunkHash(key.slice(key.lastIndexOf("/") + 1)));
    bytes += counted;
  }
  if (hashes.length > 0) yield { hashes, bytes };
}

export class Scrubber {
  readonly #ports: ScrubberPorts;
  readonly #heldHere: string;
  readonly #rate: RateLimit;
  readonly #closing = sharedAbort();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #counts = { chunks: 0, bytes: 0, damaged: 0 };
  #passes = 0;
  #endedAt: number | undefined;

  constructor(ports: ScrubberPorts) {
    this.#ports = ports;
    this.#heldHere = `held/${ports.store.id}/`;
    this.#rate = new RateLimit(() => this.#bytesPerSecond, ports.runtime);
  }

  get #bytesPerSecond(): number {
    return Number(settingOf(this.#ports.machine.settings, "sdfs-scrub-mbps")) * bytesPerMegabyte;
  }

  start(): void {
    this.#timer = this.#ports.runtime.every(lookMs, () => this.#look());
  }

  get progress(): ScrubProgress {
    const { runtime } = this.#ports;
    const progress = {
      isRunning: this.#running !== undefined,
      ...this.#counts,
      passes: this.#passes,
    };
    if (this.#endedAt === undefined) return progress;
    return { ...progress, endedAgoMs: Math.max(0, Math.round(runtime.now() - this.#endedAt)) };
  }

  #look(): void {
    const { machine, runtime } = this.#ports;
    if (this.#running !== undefined || this.#bytesPerSecond <= 0) return;
    const everyMs = Number(settingOf(machine.settings, "sdfs-scrub-hours")) * msPerHour;
    if (this.#endedAt !== undefined && runtime.now() - this.#endedAt < everyMs) return;
    this.#running = this.#pass().finally(() => {
      this.#running = undefined;
    });
  }

  async #pass(): Promise<void> {
    const { runtime, log } = this.#ports;
    this.#counts = { chunks: 0, bytes: 0, damaged: 0 };
    try {
      for (const digit of fanOut) await this.#folder(digit);
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn("scrub-failed", { error: String(error) });
    }
    if (this.#closing.signal.aborted) return;
    this.#endedAt = runtime.now();
    this.#passes += 1;
    log.info("scrubbed", this.#counts);
  }

  async #folder(digit: string): Promise<void> {
    // A page at a time: a pass may take days, and nobody else could clean up the state's files meanwhile.
    for (let after = ""; !this.#closing.signal.aborted;) {
      const page = await this.#page(this.#heldHere + digit, after);
      for (const { hashes, bytes } of groups(page)) {
        await this.#rate.take(bytes, this.#closing.signal);
        if (this.#closing.signal.aborted) return;
        await Promise.all(hashes.map(async (hash) => this.#check(hash)));
      }
      after = page.at(-1)?.[0] ?? "";
      if (page.length < pageRows) return;
    }
  }

  async #page(prefix: string, after: string): Promise<Row[]> {
    const page: Row[] = [];
    for await (const [key, bytes] of this.#ports.state.rows(prefix, after)) {
      page.push([key, Number(bytes)]);
      if (page.length === pageRows) break;
    }
    return page;
  }

  async #check(hash: ChunkHash): Promise<void> {
    const { store, state, reportLost } = this.#ports;
    const bytes = await store.get(hash);
    this.#counts.chunks += 1;
    this.#counts.bytes += bytes?.length ?? 0;
    // What went meanwhile, as it should, is no damage; nor is what has come back.
    if (bytes !== undefined || state.get(this.#heldHere + hash) === undefined) return;
    if ((await store.size(hash)) !== undefined) return;
    this.#counts.damaged += 1;
    await reportLost([hash]);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#closing.abort();
    await this.#running;
  }
}
