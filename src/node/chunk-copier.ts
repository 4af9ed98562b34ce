/**
 * Makes the copies that repair and balance have planned, as the leader: the targets fetch them, some at once over the whole
 * cluster, at a rate that the cluster sets; what is durable is told to the catalog.
 */
import { groupBy } from "../lib/group-by.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { ChunkHash, NodeId, StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { settingOf } from "../machine/settings.ts";
import type { RepairCopy } from "../sdfs/catalog/repair.ts";
import type { ChunkService } from "./chunk-service.ts";
import { parseIndex } from "./control.ts";
import type { Coordination } from "./coordination.ts";
import { deadline } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Peers } from "./ports.ts";
import { RateLimit } from "./rate-limit.ts";
import { nodeOf } from "./stores-of.ts";

/** Copies under way at once over the whole cluster: with 4 MiB each, well below what a disk and a network give. */
const copiesAtOnce = 8;
/** Copies told to the catalog in one go. */
const copiesTold = 32;
/** A plan is left after this long, in ms: there may be more endangered chunks by now. */
const planMs = 5_000;
/** How long one copy may take, in ms. */
const copyMs = 30_000;
const bytesPerMegabyte = 1_000_000;

export interface ChunkCopierPorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly chunks: Pick<ChunkService, "copyHere">;
  readonly peers: Pick<Peers, "request">;
  readonly coordination: Pick<Coordination, "proposeHere">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

interface Placed {
  readonly store: StoreId;
  readonly hash: ChunkHash;
  readonly index: number;
}

export class ChunkCopier {
  readonly #ports: ChunkCopierPorts;
  readonly #closing: AbortSignal;
  readonly #rate: RateLimit;
  /** Since this process began: chunks copied, their bytes; copies of the present plan that are not made yet. */
  readonly done = { copied: 0, bytes: 0, underWay: 0 };

  constructor(closing: AbortSignal, ports: ChunkCopierPorts) {
    this.#ports = ports;
    this.#closing = closing;
    const { settings } = ports.machine;
    const megabytes = (): number => Number(settingOf(settings, "sdfs-repair-mbps"));
    this.#rate = new RateLimit(() => megabytes() * bytesPerMegabyte, ports.runtime);
  }

  /** Makes the copies in their order, or those of them for which there is time: the others want another plan. */
  async carryOut(copies: readonly RepairCopy[]): Promise<void> {
    const { runtime, log } = this.#ports;
    const end = runtime.now() + planMs;
    let copied = 0;
    for (let from = 0; from < copies.length; from += copiesTold) {
      if (this.#closing.aborted || (from > 0 && runtime.now() > end)) break;
      this.done.underWay = copies.length - from;
      const placed = await this.#make(copies.slice(from, from + copiesTold));
      copied += placed.length;
      await this.#tell(placed);
    }
    this.done.underWay = 0;
    log.info("chunks-repaired", { planned: copies.length, copied });
  }

  async #make(copies: readonly RepairCopy[]): Promise<readonly Placed[]> {
    const queue = [...copies];
    const placed: Placed[] = [];
    const lane = async (): Promise<void> => {
      for (let copy = queue.shift(); copy !== undefined; copy = queue.shift()) {
        await this.#rate.take(copy.bytes, this.#closing);
        const index = await this.#copy(copy);
        this.done.underWay -= 1;
        if (index === undefined) continue;
        placed.push({ store: copy.to, hash: copy.hash, index });
        this.done.copied += 1;
        this.done.bytes += copy.bytes;
      }
    };
    await Promise.all(Array.from({ length: copiesAtOnce }, lane));
    return placed;
  }

  async #tell(placed: readonly Placed[]): Promise<void> {
    for (const [store, some] of groupBy(placed, (each) => each.store)) {
      const chunks = some.map(({ hash, index }) => ({ hash, index }));
      const operation = { kind: "place-chunks", store, chunks } as const;
      await this.#ports.coordination.proposeHere(operation, undefined);
    }
  }

  /** Durable on its target: the index of the acknowledgement; undefined when that failed. */
  async #copy({ hash, from, to }: RepairCopy): Promise<number | undefined> {
    const { machine, peers, self, chunks, runtime, log } = this.#ports;
    const target = nodeOf(machine, to);
    const sources = from.flatMap((store) => nodeOf(machine, store) ?? []);
    if (target === undefined) return undefined;
    using limit = deadline(runtime, `copying ${hash}`, copyMs, this.#closing);
    try {
      if (target === self) return await chunks.copyHere(hash, sources, limit);
      const reply = await peers.request(
        target,
        "control",
        { kind: "copyChunk", hash, from: sources },
        { timeoutMs: copyMs, signal: limit },
      );
      return parseIndex(reply.head).index;
    } catch (error) {
      log.warn("chunk-copy-failed", { hash, to: target, error: String(error) });
      return undefined;
    }
  }
}
