/**
 * Chunks across the cluster: read from the nearest replica that can prove them, made durable on several at once.
 * Every byte that leaves here hashes to its name, whoever sent it.
 */
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";
import { chunkBuffers, type UploadedChunk } from "../lib/content.ts";
import type { ChunkHash, NodeId, StoreId } from "../lib/types.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { ChunkPlace } from "../inference/types.ts";
import type { Machine } from "../machine/machine.ts";
import { takesMore } from "../machine/tables.ts";
import { type Candidate, place } from "../sdfs/catalog/placement.ts";
import { type ChunkRecord, replicationFactor } from "../sdfs/catalog/types.ts";
import { IoSlots } from "../sdfs/chunks/io-slots.ts";
import { SmallChunks } from "../sdfs/chunks/small-chunks.ts";
import type { StoredChunk } from "../sdfs/chunks/chunk-store.ts";
import { type CutChunk, cutChunks } from "../sdfs/chunks/cut.ts";
import type { Applier } from "./applier.ts";
import { spread } from "./bulk.ts";
import { ChunkFetcher, transferMs } from "./chunk-fetcher.ts";
import { parseDurable } from "./control.ts";
import { candidateOf, nodeOf } from "./stores-of.ts";
import type { Logger } from "./log.ts";
import type { CachedChunks, Chunks, Peers } from "./ports.ts";
import type { StateStore } from "./stores/state-store.ts";
import type { StoreRoom } from "./store-room.ts";

/** Small chunks that are read for one request at once: others want the disk, too. */
const readAtOnce = 8;

/** A chunk on this machine, where it stays until it is released. */
export interface HeldChunk {
  readonly place: ChunkPlace;
  /** Idempotent. */
  release(): void;
}

export interface ChunkServicePorts {
  readonly self: NodeId;
  readonly machine: Machine;
  readonly state: StateStore;
  readonly applier: Applier;
  readonly peers: Peers;
  readonly store: Chunks;
  readonly cache: CachedChunks;
  readonly room: Pick<StoreRoom, "take">;
  readonly runtime: Pick<Runtime, "soon">;
  readonly log: Logger;
}

export class ChunkService {
  readonly #ports: ChunkServicePorts;
  readonly #fetcher: ChunkFetcher;
  /** Small ones that were fetched for inference. */
  readonly #small = new SmallChunks();

  constructor(ports: ChunkServicePorts) {
    this.#ports = ports;
    this.#fetcher = new ChunkFetcher(ports);
  }

  /** The chunks of a stream, in order. */
  cut(stream: AsyncIterable<Uint8Array>): AsyncGenerator<CutChunk> {
    return cutChunks(stream, async (bytes) => this.#ports.store.hash(bytes));
  }

  /** The name of a chunk with these bytes. */
  async hash(bytes: Uint8Array): Promise<ChunkHash> {
    return this.#ports.store.hash(bytes);
  }

  #record(hash: ChunkHash): ChunkRecord | undefined {
    return this.#ports.state.get(`chunk/${hash}`) as ChunkRecord | undefined;
  }

  /** Whether the catalog knows of no store any more that could have a chunk: not merely of none that is up. */
  isLost(hash: ChunkHash): boolean {
    const stores = this.#record(hash)?.stores ?? [];
    return stores.every((store) => this.#ports.machine.stores.get(store)?.state !== "active");
  }

  /**
   * A chunk's verified bytes, from here or from the first replica that has them whole.
   * @throws IDunnoError CHUNK_UNAVAILABLE
   */
  async read(hash: ChunkHash, signal: AbortSignal): Promise<Uint8Array> {
    const local = await this.#ports.store.get(hash);
    return local ?? this.#fetcher.fetch(hash, signal);
  }

  /**
   * A chunk on this machine, kept until released. Whoever reads it verifies it and says when it is damaged
   * ({@link discard}): hashing a file here as well would be work done twice.
   * @param options.inMemory it is small, and if it has to be fetched its bytes may be what is held. Default: a file
   * @throws IDunnoError CHUNK_UNAVAILABLE
   */
  async acquire(
    hash: ChunkHash,
    signal: AbortSignal,
    { inMemory = false }: { readonly inMemory?: boolean } = {},
  ): Promise<HeldChunk> {
    const { store, cache } = this.#ports;
    const path = await this.#pathHere(hash);
    if (path !== undefined) return stays({ path });
    const kept = inMemory ? this.#small.get(hash) : undefined;
    if (kept !== undefined) return stays({ content: kept });
    try {
      if (inMemory && !cache.has(hash))
        return stays({ content: await this.#fetchSmall(hash, signal) });
      const fetch = async (): Promise<Uint8Array> => this.#fetcher.fetch(hash, signal);
      const lease = await cache.acquire(hash, fetch);
      return { place: { path: lease.path }, release: () => lease.release() };
    } catch (error) {
      // The catalog does not count on a copy here, but there may be one.
      const uncounted = await store.find(hash);
      if (uncounted === undefined) throw error;
      return stays({ path: uncounted });
    }
  }

  /** Where it lies, if this store is to have it: most inputs of a job are such, and a look at the disk costs more than the catalog's. */
  async #pathHere(hash: ChunkHash): Promise<string | undefined> {
    const { store } = this.#ports;
    const path = store.known(hash);
    if (path !== undefined) return path;
    const isCountedOn = this.#record(hash)?.stores.includes(store.id) === true;
    return isCountedOn ? store.find(hash) : undefined;
  }

  async #fetchSmall(hash: ChunkHash, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#fetcher.fetchSmall(hash, signal);
    this.#small.keep(hash, bytes);
    return bytes;
  }

  /** A local copy turned out to be damaged: the next acquire fetches it anew. */
  async discard(hash: ChunkHash): Promise<void> {
    // Reading verifies, and sets a bad file aside.
    await this.#ports.store.get(hash);
    this.#ports.cache.suspect(hash);
    this.#small.drop(hash);
  }

  /** What this node's own store has of these small chunks, verified. */
  async readHere(hashes: readonly ChunkHash[]): Promise<(Uint8Array | undefined)[]> {
    const lanes = new IoSlots(readAtOnce);
    const read = async (hash: ChunkHash) =>
      lanes.runAlways(() => this.#ports.store.get(hash, { isSmall: true }));
    return Promise.all(hashes.map(read));
  }

  /**
   * Makes a chunk durable on R nodes, or on as many as are up, all at once; where one fails the next in the chunk's
   * own order takes its place.
   * @param bytes hash to `hash`, which the caller has seen for itself; given back to {@link chunkBuffers} when nothing
   * has failed, so nobody may use them afterwards
   */
  async replicate(hash: ChunkHash, bytes: Uint8Array, signal: AbortSignal): Promise<UploadedChunk> {
    const order = place(hash, this.#candidates(), Number.MAX_SAFE_INTEGER);
    const spare = order.slice(replicationFactor);
    const putSomewhere = async (first: StoreId) => {
      for (let store: StoreId | undefined = first; store !== undefined; store = spare.shift()) {
        const index = await this.#put(store, hash, bytes, signal);
        if (index !== undefined) return { store, index };
      }
      return undefined;
    };
    const wanted = order.slice(0, replicationFactor);
    const replicas = await Promise.all(wanted.map(putSomewhere));
    const { length } = bytes;
    // What has failed may still be on its way out.
    if (replicas.every((replica, i) => replica?.store === wanted[i])) chunkBuffers.give(bytes);
    return { hash, bytes: length, replicas: replicas.filter((r) => r !== undefined) };
  }

  /** {@link replicate} for many small chunks: each replica gets all that it should hold of them in one request. */
  async replicateMany(
    chunks: readonly StoredChunk[],
    signal: AbortSignal,
  ): Promise<UploadedChunk[]> {
    const candidates = this.#candidates();
    return spread(chunks, {
      targets: (hash) => place(hash, candidates, replicationFactor),
      put: (store, part) => this.#putMany(store, part, signal),
      replicate: ({ hash, bytes }) => this.replicate(hash, bytes, signal),
    });
  }

  /** Which stores could take copies now: another text when that has changed. */
  upStores(): string {
    return this.#candidates()
      .filter(({ weight }) => weight > 0)
      .map(({ store }) => store)
      .join();
  }

  /**
   * Says that a put cannot end while so many disks are full: those with room are fewer than the copies it needs.
   * @throws IDunnoError NO_SPACE
   */
  refuseIfFull(): void {
    const candidates = this.#candidates();
    const full = candidates.filter(({ weight }) => weight <= 0).map(({ node }) => node);
    const needed = Math.min(replicationFactor, candidates.length);
    if (full.length > 0 && candidates.length - full.length < needed)
      throw new IDunnoError("NO_SPACE", { node: full.join(", ") });
  }

  /** Stores whose node is up. */
  #candidates(): Candidate[] {
    return [...this.#ports.machine.members.values()]
      .filter(takesMore)
      .map((member) => candidateOf(this.#ports.machine, member));
  }

  /** Whether a store has a chunk durable and whole, which its node says only after it has hashed it. */
  async isWhole(store: StoreId, hash: ChunkHash): Promise<boolean> {
    const { machine, peers, log } = this.#ports;
    if (store === this.#ports.store.id) return (await this.hasHere(hash)) !== undefined;
    const node = nodeOf(machine, store);
    if (node === undefined) return false;
    try {
      const options = { timeoutMs: transferMs };
      const { head } = await peers.request(node, "bulk", { kind: "hasChunk", hash }, options);
      const known = parseDurable(head);
      return known.found && known.store === store;
    } catch (error) {
      log.debug("chunk-not-proven", { hash, on: node, error: String(error) });
      return false;
    }
  }

  /** Durable on one store: the applied index at its acknowledgement; undefined when that failed. */
  async #put(
    store: StoreId,
    hash: ChunkHash,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { machine, peers, log } = this.#ports;
    const node = nodeOf(machine, store);
    if (node === undefined) return undefined;
    try {
      if (store === this.#ports.store.id) return await this.#keepHere(hash, bytes);
      const options = { timeoutMs: transferMs, signal };
      // A chunk that is there already need not travel; the replica says so only after it has hashed it. Content that
      // the catalog has never seen is nowhere: nobody is asked.
      if (this.#record(hash) !== undefined) {
        const has = await peers.request(node, "bulk", { kind: "hasChunk", hash }, options);
        const known = parseDurable(has.head);
        if (known.found && known.store === store) return known.index;
      }
      const put = await peers.request(
        node,
        "bulk",
        { kind: "putChunk", hash },
        { ...options, body: bytes },
      );
      const answer = parseDurable(put.head);
      return answer.store === store ? answer.index : undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      log.debug("chunk-put-failed", { hash, to: node, error: String(asIDunnoError(error).code) });
      return undefined;
    }
  }

  /** As {@link #put}, for chunks that have room in one frame together. */
  async #putMany(
    store: StoreId,
    chunks: readonly StoredChunk[],
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { machine, peers, log } = this.#ports;
    const node = nodeOf(machine, store);
    if (node === undefined) return undefined;
    try {
      // Hashed where the put came in, which is here.
      if (store === this.#ports.store.id)
        return await this.putManyHere(chunks, { areVerified: true });
      const list = chunks.map(({ hash, bytes }) => ({ hash, bytes: bytes.length }));
      const body = concatenated(chunks);
      const put = await peers.request(
        node,
        "bulk",
        { kind: "putChunks", chunks: list },
        { timeoutMs: transferMs, signal, body },
      );
      chunkBuffers.give(body);
      const answer = parseDurable(put.head);
      return answer.store === store ? answer.index : undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      const { code } = asIDunnoError(error);
      log.debug("chunks-put-failed", { chunks: chunks.length, to: node, error: code });
      return undefined;
    }
  }

  /**
   * Durable in this node's own store, all of them.
   * @param options.areVerified they were hashed in this process. Default: they were not
   */
  async putManyHere(
    chunks: readonly StoredChunk[],
    options: { readonly areVerified?: boolean } = {},
  ): Promise<number> {
    const index = this.#index;
    this.#ports.room.take(chunks.reduce((sum, { bytes }) => sum + bytes.length, 0));
    await this.#ports.store.putMany(chunks, options);
    return index;
  }

  /** Durable in this node's own store. */
  async putHere(hash: ChunkHash, bytes: Uint8Array): Promise<number> {
    const index = this.#index;
    this.#ports.room.take(bytes.length);
    await this.#ports.store.put(hash, bytes);
    return index;
  }

  /** Whether a chunk is durable here: the index of the acknowledgement; undefined: it is not. */
  async hasHere(hash: ChunkHash): Promise<number | undefined> {
    const index = this.#index;
    return (await this.#ports.store.has(hash)) ? index : undefined;
  }

  /**
   * What an acknowledgement that begins now rests on (G3): a drop that is decided meanwhile has a later index, and one
   * decided before was carried out first.
   */
  get #index(): number {
    return this.#ports.applier.appliedIndex;
  }

  /** The same for bytes that were hashed here already: cut from a stream, or fetched. */
  async #keepHere(hash: ChunkHash, bytes: Uint8Array): Promise<number> {
    const index = this.#index;
    this.#ports.room.take(bytes.length);
    await this.#ports.store.putVerified(hash, bytes);
    return index;
  }

  /** As a repair target: make a chunk local and durable from one of these nodes. */
  async copyHere(hash: ChunkHash, from: readonly NodeId[], signal: AbortSignal): Promise<number> {
    const index = await this.hasHere(hash);
    if (index !== undefined) return index;
    for (const node of from) {
      const bytes = await this.#fetcher.fetchFrom(node, hash, signal);
      if (bytes === undefined) continue;
      const kept = await this.#keepHere(hash, bytes);
      chunkBuffers.give(bytes);
      return kept;
    }
    throw new IDunnoError("CHUNK_UNAVAILABLE", { hash, tried: from });
  }
}

/** Nothing takes it away: a replica's file, or bytes in memory. */
function stays(place: ChunkPlace): HeldChunk {
  return { place, release: () => undefined };
}

/** At most a chunk's size together. */
function concatenated(chunks: readonly StoredChunk[]): Uint8Array {
  const body = chunkBuffers.take(chunks.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of chunks) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return body;
}
