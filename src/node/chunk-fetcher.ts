/**
 * Chunks from other nodes: from any replica that can prove them. Small ones that are wanted in one turn of the loop, such as
 * those of one query, are asked for together, from as few nodes as have them: a frame costs more than its few kilobytes.
 *
 * Every byte that comes from here hashes to its name, whoever sent it.
 */
import { IDunnoError } from "../lib/errors.ts";
import { groupBy } from "../lib/group-by.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { ChunkHash, NodeId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import type { ChunkRecord } from "../sdfs/catalog/types.ts";
import { smallChunksTogether } from "../sdfs/chunks/small-chunks.ts";
import { parseFound, parseFoundMany } from "./control.ts";
import type { Logger } from "./log.ts";
import type { Chunks, Peers } from "./ports.ts";
import type { StateStore } from "./stores/state-store.ts";

/** How long one replica may take over one chunk (4 MiB), or over a batch of small ones, in ms; then another is asked. */
export const transferMs = 15_000;

export interface ChunkFetcherPorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly state: StateStore;
  readonly peers: Peers;
  readonly store: Pick<Chunks, "hash">;
  readonly runtime: Pick<Runtime, "soon">;
  readonly log: Logger;
}

/** A small chunk that is wanted. */
interface Wanted {
  readonly hash: ChunkHash;
  /** Those it can be asked from. */
  readonly holders: readonly NodeId[];
  readonly bytes: Promise<Uint8Array | undefined>;
  /** undefined: not from the node that was asked. */
  readonly resolve: (bytes: Uint8Array | undefined) => void;
}

export class ChunkFetcher {
  readonly #ports: ChunkFetcherPorts;
  /** Where this node begins in a list of replicas; moves on with each batch. */
  #turn: number;
  /** Those that leave together at the end of this turn. */
  #gathered: Wanted[] = [];
  /** Those under way, too: who wants the same chunk meanwhile shares it. */
  readonly #wanted = new Map<ChunkHash, Wanted>();

  constructor(ports: ChunkFetcherPorts) {
    this.#ports = ports;
    this.#turn = Buffer.from(ports.self).reduce((sum, byte) => sum + byte, 0);
  }

  /**
   * A chunk's verified bytes, from the first replica that has them whole.
   * @throws IDunnoError CHUNK_UNAVAILABLE
   */
  async fetch(hash: ChunkHash, signal: AbortSignal): Promise<Uint8Array> {
    const tried: string[] = [];
    const nodes = this.#holders(hash);
    // Each node starts elsewhere, so that many readers of one chunk spread over its replicas.
    const start = Number.parseInt(hash.slice(-4), 16) + this.#turn;
    for (let i = 0; i < nodes.length; i += 1) {
      signal.throwIfAborted();
      const node = nodes[(start + i) % nodes.length];
      if (node === undefined) continue;
      tried.push(node);
      const bytes = await this.fetchFrom(node, hash, signal);
      if (bytes !== undefined) return bytes;
    }
    throw new IDunnoError("CHUNK_UNAVAILABLE", { hash, tried });
  }

  /** A chunk's verified bytes from that node; undefined when it has none, or does not answer. */
  async fetchFrom(
    node: NodeId,
    hash: ChunkHash,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { peers, log } = this.#ports;
    try {
      const { head, body } = await peers.request(
        node,
        "bulk",
        { kind: "getChunk", hash },
        { timeoutMs: transferMs, signal },
      );
      if (!parseFound(head).found) return undefined;
      return await this.#proven(node, hash, body);
    } catch (error) {
      if (signal.aborted) throw error;
      log.debug("chunk-fetch-failed", { hash, from: node, error: String(error) });
    }
    return undefined;
  }

  /**
   * {@link fetch} for a small chunk. The bytes are shared by all who want them now: they are
   * for reading only.
   * @throws IDunnoError CHUNK_UNAVAILABLE
   */
  async fetchSmall(hash: ChunkHash, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await (this.#wanted.get(hash) ?? this.#want(hash)).bytes;
    signal.throwIfAborted();
    // Not from the node that was asked; another one may have it.
    return bytes ?? this.fetch(hash, signal);
  }

  #want(hash: ChunkHash): Wanted {
    let resolve: Wanted["resolve"] = () => undefined;
    const bytes = new Promise<Uint8Array | undefined>((settle) => {
      resolve = (found) => {
        this.#wanted.delete(hash);
        settle(found);
      };
    });
    const wanted = { hash, holders: this.#holders(hash), bytes, resolve };
    this.#wanted.set(hash, wanted);
    this.#gathered.push(wanted);
    if (this.#gathered.length === 1) this.#ports.runtime.soon(() => this.#askForAll());
    return wanted;
  }

  #askForAll(): void {
    let left = this.#gathered;
    this.#gathered = [];
    while (left.length > 0) {
      const node = this.#holderOfMost(left);
      if (node === undefined) break;
      const here = left.filter(({ holders }) => holders.includes(node));
      left = left.filter(({ holders }) => !holders.includes(node));
      for (let at = 0; at < here.length; at += smallChunksTogether)
        void this.#ask(node, here.slice(at, at + smallChunksTogether)); // failures are what it resolves to
    }
    for (const { resolve } of left) resolve(undefined);
  }

  /** Of equals another one each time. */
  #holderOfMost(wanted: readonly Wanted[]): NodeId | undefined {
    const holders = wanted.flatMap((each) => each.holders);
    const all = [...groupBy(holders, (node) => node)];
    this.#turn += 1;
    const turned = all.map((_, i) => all[(i + this.#turn) % all.length]);
    return turned.reduce(
      (most, each) => ((each?.[1].length ?? 0) > (most?.[1].length ?? 0) ? each : most),
      undefined,
    )?.[0] as NodeId | undefined;
  }

  /** Never rejects. */
  async #ask(node: NodeId, wanted: readonly Wanted[]): Promise<void> {
    const { peers, log } = this.#ports;
    const found = new Map<ChunkHash, Uint8Array>();
    try {
      const hashes = wanted.map(({ hash }) => hash);
      const request = { kind: "getChunks", hashes };
      const { head, body } = await peers.request(node, "bulk", request, { timeoutMs: transferMs });
      let at = 0;
      for (const [i, bytes] of parseFoundMany(head).bytes.entries()) {
        const hash = hashes[i];
        if (bytes === "absent" || hash === undefined) continue;
        // A copy, since it outlives the frame that it came in.
        const part = body.slice(at, at + bytes);
        at += bytes;
        const proven = await this.#proven(node, hash, part);
        if (proven !== undefined) found.set(hash, proven);
      }
    } catch (error) {
      log.debug("chunks-fetch-failed", { chunks: wanted.length, from: node, error: String(error) });
    }
    for (const { hash, resolve } of wanted) resolve(found.get(hash));
  }

  async #proven(node: NodeId, hash: ChunkHash, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if ((await this.#ports.store.hash(bytes)) === hash) return bytes;
    this.#ports.log.warn("chunk-corrupt-in-transit", { hash, from: node });
    return undefined;
  }

  /** Other nodes that should have a chunk, as this node's state says, and that it is connected with. */
  #holders(hash: ChunkHash): NodeId[] {
    const { machine, peers, self, state } = this.#ports;
    const record = state.get(`chunk/${hash}`) as ChunkRecord | undefined;
    const stores = new Set(record?.stores);
    return [...machine.members.values()]
      .filter(({ node, store }) => node !== self && stores.has(store) && peers.isConnected(node))
      .map(({ node }) => node);
  }
}
