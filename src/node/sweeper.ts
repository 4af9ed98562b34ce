/**
 * Keeps a node's chunk folder and the catalog in step, as every node does for its own store. What the catalog counts on
 * and is not here is told to the cluster, so that it is copied again; a file that the catalog does not count on is
 * deleted, after a committed drop (sdfs/catalog/collection.ts, G3): at once when the catalog has just let go of it, after
 * a day when nobody has ever named it, since it may belong to an upload that is still under way.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import { ChunkHash } from "../lib/types.ts";
import type { Mutation } from "../machine/machine.ts";
import { chunksPerMove } from "../sdfs/catalog/replicas.ts";
import { fanOut } from "../sdfs/chunks/chunk-folder.ts";
import type { CollectionTimes } from "./collector.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Chunks } from "./ports.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks remembered as let go or as nobody's; what is beyond is found by a later inventory. Some 20 MB. */
const remembered = 100_000;
/** How long one command and the deletions that follow may take, in ms; then they are tried again. */
const dropMs = 30_000;

export interface SweeperPorts {
  readonly store: Chunks;
  readonly state: StateStore;
  readonly coordination: Coordination;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly reportLost: (lost: readonly ChunkHash[]) => Promise<void>;
}

export class Sweeper {
  readonly #times: CollectionTimes;
  readonly #ports: SweeperPorts;
  readonly #heldHere: string;
  readonly #closing = sharedAbort();
  readonly #timers: Timer[] = [];
  /** The catalog has let go of these. */
  readonly #freed = new Set<ChunkHash>();
  /** Files that the catalog did not name, and since when, in ms of the runtime. */
  readonly #orphans = new Map<ChunkHash, number>();
  #running: Promise<void> | undefined;
  #inventory: Promise<void> = Promise.resolve();

  constructor(times: CollectionTimes, ports: SweeperPorts) {
    this.#times = times;
    this.#ports = ports;
    this.#heldHere = `held/${ports.store.id}/`;
  }

  start(): void {
    const { runtime } = this.#ports;
    this.#timers.push(
      runtime.every(this.#times.sweepMs, () => this.#sweep()),
      runtime.every(this.#times.inventoryMs, () => void this.takeInventory()), // says its failure
    );
  }

  /** Called for every command that is applied: most change nothing here. */
  applied(mutations: readonly Mutation[]): void {
    for (const { key, value } of mutations)
      if (value === undefined && key.startsWith(this.#heldHere) && this.#freed.size < remembered)
        this.#freed.add(ChunkHash(key.slice(this.#heldHere.length)));
  }

  #sweep(): void {
    this.#running ??= this.#drop().finally(() => {
      this.#running = undefined;
    });
  }

  async #drop(): Promise<void> {
    const { runtime, log } = this.#ports;
    const now = runtime.now();
    for (const [hash, since] of this.#orphans)
      if (now - since >= this.#times.orphanMs) this.#freed.add(hash);
    const some = [...this.#freed].slice(0, chunksPerMove);
    try {
      const here: ChunkHash[] = [];
      for (const hash of some)
        if (!this.#isHeld(hash) && (await this.#ports.store.size(hash)) !== undefined)
          here.push(hash);
      if (here.length > 0) await this.#delete(here);
      for (const hash of some) {
        this.#freed.delete(hash);
        this.#orphans.delete(hash);
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      log.debug("drop-failed", { chunks: some.length, error: String(error) });
    }
  }

  /** G3: whoever puts or asks for one of these from here on waits until the drop is decided. */
  async #delete(hashes: readonly ChunkHash[]): Promise<void> {
    const { store, coordination, runtime, log } = this.#ports;
    using limit = deadline(runtime, "dropping chunks", dropMs, this.#closing.signal);
    const decide = async (): Promise<ReadonlySet<string>> => {
      const value = await coordination.decide(
        { kind: "drop-chunks", store: store.id, chunks: hashes },
        { key: undefined, signal: limit },
      );
      return new Set(value.kind === "dropped" ? value.hashes : []);
    };
    // Asked for the first time when all of them are marked, once for all.
    let decision: ReturnType<typeof decide> | undefined;
    const ended = await Promise.allSettled(
      hashes.map(async (hash) =>
        store.delete(hash, async () => (await (decision ??= decide())).has(hash)),
      ),
    );
    const failed = ended.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    log.info("chunks-deleted", { chunks: (await decision)?.size ?? 0 });
  }

  #isHeld(hash: ChunkHash): boolean {
    return this.#ports.state.get(this.#heldHere + hash) !== undefined;
  }

  /** Compares all that is here with all that should be. One at a time. */
  async takeInventory(): Promise<void> {
    const before = this.#inventory;
    this.#inventory = (async () => {
      await before;
      await this.#compare();
    })();
    await this.#inventory;
  }

  async #compare(): Promise<void> {
    const { store, log } = this.#ports;
    let missing = 0;
    try {
      for (const digit of fanOut) {
        if (this.#closing.signal.aborted) return;
        missing += await this.#compareFolder(digit);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn("inventory-unchecked", { error: String(error) });
      return;
    }
    if (missing > 0) log.warn("chunks-missing", { store: store.id, chunks: missing });
  }

  /** @returns how many chunks are missing */
  async #compareFolder(digit: string): Promise<number> {
    const { store, state, runtime, reportLost } = this.#ports;
    const here = new Set<ChunkHash>();
    for await (const hash of store.list(digit)) here.add(hash);
    const absent: ChunkHash[] = [];
    for await (const [key] of state.rows(this.#heldHere + digit)) {
      const hash = ChunkHash(key.slice(this.#heldHere.length));
      if (!here.delete(hash)) absent.push(hash);
    }
    for (const hash of this.#orphans.keys())
      if (hash.startsWith(digit) && !here.has(hash)) this.#orphans.delete(hash);
    for (const hash of here)
      if (!this.#orphans.has(hash) && this.#orphans.size < remembered)
        this.#orphans.set(hash, runtime.now());
    // What came while we looked is no loss.
    const lost: ChunkHash[] = [];
    for (const hash of absent)
      if (this.#isHeld(hash) && (await store.size(hash)) === undefined) lost.push(hash);
    await reportLost(lost);
    return lost.length;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#closing.abort();
    await Promise.all([this.#running, this.#inventory]);
  }
}
