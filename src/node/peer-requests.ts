/** What peers ask of this node on the control and bulk lanes, and what it answers. */
import { chunkBuffers, type UploadedContent } from "../lib/content.ts";
import { IDunnoError } from "../lib/errors.ts";
import { Attempt, ChunkHash, JobId, NodeId, QueryNumber } from "../lib/types.ts";
import type { Reply } from "../net/peers.ts";
import type { Completion } from "../scheduler/types.ts";
import type { StoredChunk } from "../sdfs/chunks/chunk-store.ts";
import { smallChunkBytes } from "../sdfs/chunks/small-chunks.ts";
import { type CompleteRequest, parseRequest } from "./control.ts";
import { deadline } from "./deadline.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { statesHere } from "./model-states.ts";
import type { Services } from "./services.ts";
import type { Worker } from "./worker.ts";

/** How long a repair copy may take here, in ms. */
const copyMs = 30_000;

const nothing = new Uint8Array(0);

export interface PeerRequestsPorts {
  readonly services: Services;
  readonly worker: Worker;
  readonly dispatcher: Dispatcher;
}

export class PeerRequests {
  readonly #closing: AbortSignal;
  readonly #ports: PeerRequestsPorts;

  constructor(closing: AbortSignal, ports: PeerRequestsPorts) {
    this.#closing = closing;
    this.#ports = ports;
  }

  /** @throws IDunnoError MALFORMED, and whatever the request meets: it travels back as it is */
  async serve(_from: NodeId, head: unknown, body: Uint8Array): Promise<Reply> {
    const request = parseRequest(head);
    const { services, worker, dispatcher } = this.#ports;
    const { coordination, chunks, chunkStore } = services;
    switch (request.kind) {
      case "propose":
        return { head: await coordination.proposeForwarded(body), body: nothing };
      case "readIndex":
        return { head: { index: await services.driver.readIndex() }, body: nothing };
      case "whoLeads": {
        const { leader } = coordination;
        return { head: leader === undefined ? {} : { leader }, body: nothing };
      }
      case "handOver":
        await services.driver.handOver(request.to === undefined ? undefined : NodeId(request.to));
        return { head: {}, body: nothing };
      case "assign":
        worker.assign(request.queries);
        return { head: {}, body: nothing };
      case "complete":
        await dispatcher.complete(completionsOf(request));
        return { head: {}, body: nothing };
      case "delay": {
        const why = worker.delayOf(JobId(request.job));
        return { head: why === undefined ? {} : { why }, body: nothing };
      }
      case "copyChunk": {
        using limit = deadline(services.runtime, "copying a chunk", copyMs, this.#closing);
        const from = request.from.map(NodeId);
        const index = await chunks.copyHere(ChunkHash(request.hash), from, limit);
        return { head: { index }, body: nothing };
      }
      case "putChunk": {
        const index = await chunks.putHere(ChunkHash(request.hash), body);
        chunkBuffers.give(body);
        return { head: { found: true, store: chunkStore.id, index }, body: nothing };
      }
      case "putChunks": {
        const index = await chunks.putManyHere(splitBody(request.chunks, body));
        chunkBuffers.give(body);
        return { head: { found: true, store: chunkStore.id, index }, body: nothing };
      }
      case "hasChunk": {
        const index = await chunks.hasHere(ChunkHash(request.hash));
        const head = { found: index !== undefined, store: chunkStore.id, index: index ?? 0 };
        return { head, body: nothing };
      }
      case "modelStates":
        return {
          head: { states: await statesHere(request, services, this.#closing) },
          body: nothing,
        };
      case "snapshotChunk":
        return services.snapshots.chunk(request);
      case "getChunk": {
        const bytes = await chunkStore.get(ChunkHash(request.hash));
        return { head: { found: bytes !== undefined }, body: bytes ?? nothing };
      }
      case "getChunks": {
        const found = await chunks.readHere(request.hashes.map(ChunkHash));
        const bytes = found.map((each) => (isSmall(each) ? each.length : "absent"));
        return { head: { bytes }, body: Buffer.concat(found.filter(isSmall)) };
      }
    }
  }
}

/** Large ones are asked for by themselves. */
function isSmall(bytes: Uint8Array | undefined): bytes is Uint8Array {
  return bytes !== undefined && bytes.length <= smallChunkBytes;
}

/** @throws IDunnoError MALFORMED when the lengths are not those of the body */
function splitBody(
  chunks: readonly { readonly hash: string; readonly bytes: number }[],
  body: Uint8Array,
): StoredChunk[] {
  let end = 0;
  const parts = chunks.map(({ hash, bytes }) => {
    end += bytes;
    return { hash: ChunkHash(hash), bytes: body.subarray(end - bytes, end) };
  });
  if (end === body.length) return parts;
  const expected = `a body of ${end} bytes, not ${body.length}`;
  throw new IDunnoError("MALFORMED", { path: "request putChunks", expected });
}

type CompletionBody = CompleteRequest["completions"][number];

function completionsOf({ completions }: CompleteRequest): Completion[] {
  return completions.map(({ job, query, attempt, node, elapsedMs, outputs, tensors, ...rest }) => ({
    job: JobId(job),
    query: QueryNumber(query),
    attempt: Attempt(attempt),
    node: NodeId(node),
    elapsedMs,
    outputs,
    ...rest,
    tensors: tensors === undefined ? undefined : uploaded(tensors),
  }));
}

function uploaded({ bytes, chunks }: NonNullable<CompletionBody["tensors"]>): UploadedContent {
  return { bytes, chunks: chunks.map((chunk) => ({ ...chunk, hash: ChunkHash(chunk.hash) })) };
}
