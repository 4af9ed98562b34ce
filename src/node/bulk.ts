/**
 * A bulk put: many small files become visible in one command. Each is one chunk; chunks gather to batches, and each
 * replica gets what it should hold of a batch in one request, so that neither round trips nor commits are paid by file.
 */
import type { FileUpload, UploadedChunk } from "../lib/content.ts";
import { chunkBytes } from "../lib/content.ts";
import { IDunnoError } from "../lib/errors.ts";
import { assert, type ChunkHash, type StoreId } from "../lib/types.ts";
import { checkPath } from "../sdfs/catalog/paths.ts";
import type { StoredChunk } from "../sdfs/chunks/chunk-store.ts";

/** Bytes of a batch: with those on their way this is the bound on the memory of a bulk put. A chunk's, to fit a frame. */
const batchBytes = chunkBytes;
/** Chunks of a batch, and of one request between nodes: what a disk syncs in a moment. */
export const batchChunks = 128;
/** Batches on their way at once; another one gathers meanwhile. */
const batchesAhead = 2;

export interface BulkItem {
  readonly path: string;
  readonly content: Uint8Array;
  readonly ifVersion: number | undefined;
}

export interface BulkPorts {
  hash(bytes: Uint8Array): Promise<ChunkHash>;
  /** Makes chunks durable; the answer is in their order. */
  replicateMany(chunks: readonly StoredChunk[], signal: AbortSignal): Promise<UploadedChunk[]>;
}

/**
 * Makes the content of small files durable on its replicas; nothing is visible yet.
 * @throws IDunnoError INVALID for a path that SDFS does not take, at once
 */
export async function uploadMany(
  items: AsyncIterable<BulkItem>,
  ports: BulkPorts,
  signal: AbortSignal,
): Promise<FileUpload[]> {
  const batches: Promise<FileUpload[]>[] = [];
  let batch: BulkItem[] = [];
  let bytes = 0;
  const send = async (): Promise<void> => {
    const sending = uploadBatch(batch, ports, signal);
    sending.catch(() => undefined); // awaited below; without this an early failure would count as unhandled
    batches.push(sending);
    batch = [];
    bytes = 0;
    await batches[batches.length - batchesAhead];
  };
  for await (const item of items) {
    const wrong = checkPath(item.path);
    if (wrong !== undefined)
      throw new IDunnoError("INVALID", { what: JSON.stringify(item.path), ...wrong });
    const isFull = bytes + item.content.length > batchBytes || batch.length >= batchChunks;
    if (isFull) await send();
    batch.push(item);
    bytes += item.content.length;
  }
  if (batch.length > 0) await send();
  return (await Promise.all(batches)).flat();
}

async function uploadBatch(
  items: readonly BulkItem[],
  ports: BulkPorts,
  signal: AbortSignal,
): Promise<FileUpload[]> {
  const hashes = await Promise.all(
    items.map(async ({ content }) => (content.length === 0 ? undefined : ports.hash(content))),
  );
  const distinct = new Map<ChunkHash, Uint8Array>();
  for (const [i, hash] of hashes.entries()) {
    const content = items[i]?.content;
    if (hash !== undefined && content !== undefined) distinct.set(hash, content);
  }
  const chunks = [...distinct].map(([hash, bytes]) => ({ hash, bytes }));
  const uploaded = new Map(
    (await ports.replicateMany(chunks, signal)).map((chunk) => [chunk.hash, chunk]),
  );
  return items.map(({ path, content, ifVersion }, i) => {
    const hash = hashes[i];
    const chunk = hash === undefined ? undefined : uploaded.get(hash);
    assert(hash === undefined || chunk !== undefined, "every chunk of a batch was replicated");
    return { path, bytes: content.length, chunks: chunk === undefined ? [] : [chunk], ifVersion };
  });
}

export interface SpreadPorts {
  /** The stores that a chunk belongs on. */
  readonly targets: (hash: ChunkHash) => readonly StoreId[];
  /** Makes chunks durable on one store: the applied index at its acknowledgement; undefined when that failed. */
  readonly put: (store: StoreId, chunks: readonly StoredChunk[]) => Promise<number | undefined>;
  /** One chunk by itself, with spare stores in place of those that fail. */
  readonly replicate: (chunk: StoredChunk) => Promise<UploadedChunk>;
}

/** Sends each store what it should have of the chunks, all at once; what is short of a copy then is sent by itself. */
export async function spread(
  chunks: readonly StoredChunk[],
  { targets, put, replicate }: SpreadPorts,
): Promise<UploadedChunk[]> {
  const wanted = chunks.map(({ hash }) => targets(hash));
  const parts = new Map<StoreId, StoredChunk[]>();
  for (const [i, chunk] of chunks.entries())
    for (const store of wanted[i] ?? []) {
      const part = parts.get(store) ?? [];
      part.push(chunk);
      parts.set(store, part);
    }
  const indexes = new Map(
    await Promise.all(
      [...parts].map(async ([store, part]) => [store, await put(store, part)] as const),
    ),
  );
  return Promise.all(
    chunks.map(async (chunk, i) => {
      const stores = wanted[i] ?? [];
      const replicas = stores.flatMap((store) => {
        const index = indexes.get(store);
        return index === undefined ? [] : [{ store, index }];
      });
      if (replicas.length < stores.length) return replicate(chunk);
      return { hash: chunk.hash, bytes: chunk.bytes.length, replicas };
    }),
  );
}
