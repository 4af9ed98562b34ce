/**
 * Gets a snapshot from another node, chunk after chunk, one ahead of the one being written. What breaks is asked for
 * again from where it broke; only a snapshot that its sender has given up, or that does not add up, is begun anew.
 */
import { type ErrorCode, hasCode } from "../../lib/errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { LogIndex, NodeId } from "../../lib/types.ts";
import type { Reply } from "../../net/peers.ts";
import { pause } from "../deadline.ts";
import type { Logger } from "../log.ts";
import {
  parseSnapshotHead,
  type SnapshotHead,
  type SnapshotRequest,
  unpackRows,
} from "./snapshot-chunk.ts";
import type { SnapshotStage, Staged } from "./snapshot-stage.ts";

export const fetchLimits = {
  /** How long one chunk may take, in ms: a slow disk and a slow network together. */
  chunkMs: 10_000,
  /** Pause after a failure, doubled up to the maximum: longer than a reconnection, shorter than patience. */
  retryMinMs: 100,
  retryMaxMs: 5_000,
} as const;

/** What was received, or is asked for, is worth nothing: it is begun anew. */
const lost: readonly ErrorCode[] = ["NOT_FOUND", "CORRUPT", "MALFORMED"];

export interface FetcherPorts {
  readonly stage: SnapshotStage;
  readonly request: (
    to: NodeId,
    request: SnapshotRequest,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ) => Promise<Required<Reply>>;
  readonly runtime: Runtime;
  readonly log: Logger;
}

interface Chunk {
  readonly head: SnapshotHead;
  readonly body: Uint8Array;
}

export interface FetchCounts {
  bytes: number;
  chunks: number;
  /** How often a transfer went on where it had broken. */
  resumed: number;
  /** How often a snapshot was begun. */
  begun: number;
}

export class SnapshotFetcher {
  readonly #ports: FetcherPorts;
  /** Since the start of this process. */
  readonly counts: FetchCounts = { bytes: 0, chunks: 0, resumed: 0, begun: 0 };

  constructor(ports: FetcherPorts) {
    this.#ports = ports;
  }

  /**
   * A whole snapshot of `atLeast` or later. Tries until the signal aborts: whoever asks knows when another node is the
   * one to ask, or none.
   */
  async fetch(
    { from, atLeast }: { readonly from: NodeId; readonly atLeast: LogIndex },
    signal: AbortSignal,
  ): Promise<Staged> {
    const { stage, log } = this.#ports;
    let pauseMs: number = fetchLimits.retryMinMs;
    for (;;) {
      signal.throwIfAborted();
      const chunksBefore = this.counts.chunks;
      try {
        return await this.#attempt(from, atLeast, signal);
      } catch (error) {
        if (signal.aborted || hasCode(error, "STORAGE_FAILED")) throw error;
        const isLost = lost.some((code) => hasCode(error, code));
        if (isLost) await stage.discard();
        log.debug("snapshot-chunk-failed", { from, error: String(error) });
        if (this.counts.chunks > chunksBefore) pauseMs = fetchLimits.retryMinMs;
      }
      await pause(this.#ports.runtime, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, fetchLimits.retryMaxMs);
    }
  }

  /** From where the stage stands to the end. */
  async #attempt(from: NodeId, atLeast: LogIndex, signal: AbortSignal): Promise<Staged> {
    const { stage, log } = this.#ports;
    if (stage.progress !== undefined && stage.progress.index < atLeast) await stage.discard();
    const { progress } = stage;
    let chunk = await this.#ask(from, progress?.snapshot ?? "", progress?.after ?? "", signal);
    if (progress !== undefined) {
      this.counts.resumed += 1;
      const { index, rows } = progress;
      log.info("snapshot-resumed", { from, index, rows });
    }
    for (;;) {
      const { head, body } = chunk;
      if (head.index < atLeast) throw new Error(`a snapshot of ${head.index}, before ${atLeast}`);
      const after = stage.progress?.after ?? "";
      const rows = unpackRows(body, after);
      if (stage.progress?.snapshot !== head.snapshot) {
        await stage.begin(head);
        this.counts.begun += 1;
        log.info("snapshot-started", { from, index: head.index });
      }
      const ahead = head.done ? undefined : this.#ask(from, head.snapshot, head.next, signal);
      // Its failure is met below, when this chunk is written.
      ahead?.catch(() => undefined);
      await stage.add(head, rows);
      this.counts.chunks += 1;
      this.counts.bytes += body.length;
      if (ahead === undefined) {
        const staged = await stage.complete(head);
        log.info("snapshot-staged", { from, index: head.index, rows: head.rows });
        return staged;
      }
      chunk = await ahead;
    }
  }

  async #ask(from: NodeId, snapshot: string, after: string, signal: AbortSignal): Promise<Chunk> {
    const { head, body } = await this.#ports.request(
      from,
      { kind: "snapshotChunk", snapshot, after },
      { timeoutMs: fetchLimits.chunkMs, signal },
    );
    return { head: parseSnapshotHead(head), body };
  }
}
