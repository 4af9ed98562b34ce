/**
 * Arrays that queries give, on their way from the executor's file on this machine into SDFS: their chunks are made durable
 * before the query's result is handed in, and the command that takes the result makes them visible (scheduler/work.ts).
 * Chunks of a result that came too late are nobody's, and are swept as such.
 */
import { join } from "node:path";
import { IDunnoError } from "../lib/errors.ts";
import { chunkBuffers, chunkBytes, type UploadedContent } from "../lib/content.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { ChunkHash } from "../lib/types.ts";
import type { WrittenTensors } from "../inference/types.ts";
import type { Machine } from "../machine/machine.ts";
import { copiesRequired } from "../machine/members.ts";
import { IoSlots } from "../sdfs/chunks/io-slots.ts";
import type { ChunkService } from "./chunk-service.ts";
import { pause } from "./deadline.ts";
import type { Files } from "./files.ts";
import type { LogClock } from "./log-clock.ts";
import type { Logger } from "./log.ts";
import type { FileSystem } from "./stores/disk.ts";

/** Files on their way at once: each has 16 MiB at most in memory (files.ts), however many slots there are. */
const uploadsAtOnce = 4;
/** Pause before an upload that found too few nodes tries for more copies, in ms; it doubles. */
const copiesPauseMs = 250;
const copiesPauseMaxMs = 5_000;

export interface TensorFilesPorts {
  readonly disk: FileSystem;
  readonly machine: Pick<Machine, "members">;
  readonly chunks: Pick<ChunkService, "hash">;
  readonly files: Pick<Files, "upload">;
  readonly logClock: Pick<LogClock, "now">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class TensorFiles {
  readonly #directory: string;
  readonly #ports: TensorFilesPorts;
  readonly #uploads = new IoSlots(uploadsAtOnce);
  #emptied: Promise<void> | undefined;

  /** @param directory made when it is needed, and emptied then: what an earlier process left is of no use */
  constructor(directory: string, ports: TensorFilesPorts) {
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Where the executor puts what a query gives. @param id unique among the queries under way */
  async place(id: string): Promise<string> {
    this.#emptied ??= this.#empty();
    await this.#emptied;
    return join(this.#directory, `${id.replaceAll("/", "-")}.npz`);
  }

  async #empty(): Promise<void> {
    const { disk } = this.#ports;
    await disk.rm(this.#directory, { recursive: true, force: true });
    await disk.mkdir(this.#directory, { recursive: true });
  }

  /**
   * Makes a file durable in as many copies as a put needs now, however long that takes.
   * @throws IDunnoError CLOSED when nobody waits for it any more, or whatever `signal` aborts with
   */
  async upload(
    { path, bytes }: WrittenTensors,
    isWanted: () => boolean,
    signal: AbortSignal,
  ): Promise<UploadedContent> {
    const { files, machine, logClock, runtime, log } = this.#ports;
    for (let pauseMs = copiesPauseMs; ; pauseMs = Math.min(2 * pauseMs, copiesPauseMaxMs)) {
      if (!isWanted()) throw new IDunnoError("CLOSED", { what: path });
      // A slot has few queries in hand, so few wait.
      const { chunks } = await this.#uploads.runAlways(() =>
        files.upload("", this.#pieces(path, bytes), signal),
      );
      const have = Math.min(...chunks.map(({ replicas }) => replicas.length));
      const need = copiesRequired(machine.members.values(), logClock.now());
      if (have >= need) return { bytes, chunks };
      log.info("arrays-wait-for-copies", { path, have, need });
      await pause(runtime, pauseMs, signal);
      signal.throwIfAborted();
    }
  }

  async *#pieces(
    path: string,
    bytes: number,
  ): AsyncGenerator<{ readonly hash: ChunkHash; readonly bytes: Uint8Array }> {
    const file = await this.#ports.disk.open(path, "r");
    try {
      for (let at = 0; at < bytes; at += chunkBytes) {
        const piece = chunkBuffers.take(Math.min(chunkBytes, bytes - at));
        const into = Buffer.from(piece.buffer, 0, piece.length);
        const read = await file.read(into, 0, piece.length, at);
        // Whoever wrote it said how long it is: what is missing must not be made up.
        if ((read as { readonly bytesRead: number }).bytesRead < piece.length)
          throw new IDunnoError("INTERNAL", { message: `${path} is shorter than ${bytes} bytes` });
        yield { hash: await this.#ports.chunks.hash(piece), bytes: piece };
      }
    } finally {
      await file.close();
    }
  }

  /** Whatever there is of a file goes. */
  async remove(path: string): Promise<void> {
    await this.#ports.disk.rm(path, { recursive: false, force: true });
  }
}
