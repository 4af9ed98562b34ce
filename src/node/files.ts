/**
 * Files through this node: a stream is cut and hashed here, its chunks made durable on their replicas, then one
 * command makes the version visible. Reading resolves the version in the state and streams verified chunks.
 */
import { type FileUpload, type Pin, type UploadedChunk } from "../lib/content.ts";
import { asIDunnoError, fromWire, IDunnoError } from "../lib/errors.ts";
import { type FileOutcome, fileOutcomes, type Outcome } from "../lib/outcome.ts";
import type { Runtime } from "../lib/runtime.ts";
import { assert, type ChunkHash, FileVersion } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { checkPath } from "../sdfs/catalog/paths.ts";
import { quotaAgainst } from "../sdfs/catalog/quotas.ts";
import { versionId } from "../sdfs/catalog/rows.ts";
import type { FileRecord, VersionRecord } from "../sdfs/catalog/types.ts";
import type { ChunkService } from "./chunk-service.ts";
import type { Coordination } from "./coordination.ts";
import { pause } from "./deadline.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks of one upload on their way at once: 4 × 4 MiB in memory for each put, which is the bound on its memory. */
const uploadAhead = 4;
/** Chunks fetched ahead of a reader. */
const readAhead = 2;
/** Pause before a put that found too few nodes tries for more copies, in ms. */
const copiesPauseMs = 250;

export interface FilesPorts {
  readonly machine: Pick<Machine, "logTime" | "quotas">;
  readonly state: StateStore;
  readonly chunks: ChunkService;
  readonly coordination: Coordination;
  readonly runtime: Runtime;
}

export class Files {
  readonly #ports: FilesPorts;

  constructor(ports: FilesPorts) {
    this.#ports = ports;
  }

  /**
   * Stores a stream as the next version of a path. Visible, and in R copies, when it returns.
   * @throws IDunnoError INVALID, before anything is read of the stream, when there can be no such path
   */
  async put(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: {
      readonly key: string;
      readonly ifVersion: number | undefined;
      /** How many there will be, where that is known. */
      readonly bytes?: number | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<VersionRecord> {
    const wrong = checkPath(path);
    if (wrong !== undefined)
      throw new IDunnoError("INVALID", { what: JSON.stringify(path), ...wrong });
    this.#ports.chunks.refuseIfFull();
    const { signal, key, ifVersion, bytes } = options;
    if (bytes !== undefined) await this.#refuseOverQuota(path, bytes, signal);
    const pieces = this.#ports.chunks.cut(content);
    const upload = await this.upload(path, pieces, signal);
    const [record] = await this.commit([{ ...upload, ifVersion }], { key, signal });
    assert(record !== undefined, "a commit of files answers with their versions");
    return record;
  }

  /** Before the bytes of a put are read. Of an old state a second look is taken: files may have gone since. */
  async #refuseOverQuota(path: string, bytes: number, signal: AbortSignal): Promise<void> {
    const { state, machine, coordination } = this.#ports;
    if (machine.quotas.size === 0) return;
    const look = (): Outcome | undefined => {
      const before = state.get(`file/${path}`) as FileRecord | undefined;
      return quotaAgainst(machine.quotas, { path, bytes, before });
    };
    if (look() === undefined) return;
    await coordination.linearize(signal);
    const refusal = look();
    if (refusal?.kind === "refused") throw fromWire(refusal);
  }

  /**
   * Makes uploaded files visible, all in one command or none.
   * @returns their versions, in order
   */
  async commit(
    uploads: readonly FileUpload[],
    { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<VersionRecord[]> {
    let up = this.#ports.chunks.upStores();
    let files = uploads;
    for (;;) {
      try {
        const value = await this.#ports.coordination.decide(
          { kind: "commit-files", files },
          { key, signal },
        );
        const committed = fileOutcomes(value);
        await this.#ports.coordination.linearize(signal);
        return files.map((file, i) => {
          const outcome = committed[i];
          assert(outcome !== undefined, "a commit of files answers with their versions");
          return this.#committed(file, outcome);
        });
      } catch (error) {
        const { code } = asIDunnoError(error);
        if ((code !== "TOO_FEW_COPIES" && code !== "STALE_CATALOG") || signal.aborted) throw error;
        this.#ports.chunks.refuseIfFull();
        // A node that just went down still counts as required: wait for it, or for its absence to be lasting. A replica
        // whose acknowledgement was too old gets the time to apply what made it so.
        await pause(this.#ports.runtime, copiesPauseMs, signal);
        if (signal.aborted) throw error;
        const now = this.#ports.chunks.upStores();
        if (code === "TOO_FEW_COPIES" && now === up) continue;
        // Somebody came back or another went, so that copies elsewhere may do; or a copy went after it was acknowledged.
        up = now;
        files = await this.#replicateAgain(files, signal);
      }
    }
  }

  /** Makes the chunks of a file durable on their replicas; nothing is visible yet. */
  async upload(
    path: string,
    pieces: AsyncIterable<{ readonly hash: ChunkHash; readonly bytes: Uint8Array }>,
    signal: AbortSignal,
  ): Promise<Omit<FileUpload, "ifVersion">> {
    const chunks: Promise<UploadedChunk>[] = [];
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.bytes.length;
      const uploading = this.#ports.chunks.replicate(piece.hash, piece.bytes, signal);
      uploading.catch(() => undefined); // awaited below; without this an early failure would count as unhandled
      chunks.push(uploading);
      if (chunks.length >= uploadAhead) await chunks[chunks.length - uploadAhead];
    }
    return { path, bytes, chunks: await Promise.all(chunks) };
  }

  async #replicateAgain(
    files: readonly FileUpload[],
    signal: AbortSignal,
  ): Promise<readonly FileUpload[]> {
    const again: FileUpload[] = [];
    for (const file of files) {
      const chunks: UploadedChunk[] = [];
      for (const { hash } of file.chunks) {
        const bytes = await this.#ports.chunks.read(hash, signal);
        chunks.push(await this.#ports.chunks.replicate(hash, bytes, signal));
      }
      again.push({ ...file, chunks });
    }
    return again;
  }

  /** What was put, also when it has been removed or outnumbered since. */
  #committed(
    { path, bytes, chunks }: Omit<FileUpload, "ifVersion">,
    { version, copies }: FileOutcome,
  ): VersionRecord {
    const { state, machine } = this.#ports;
    const id = versionId(path, FileVersion(version));
    const record = state.get(`version/${id}`) as VersionRecord | undefined;
    return (
      record ?? {
        path,
        version: FileVersion(version),
        bytes,
        chunks: chunks.map((chunk) => ({ hash: chunk.hash, bytes: chunk.bytes })),
        committedAt: machine.logTime,
        index: state.appliedIndex,
        copies,
      }
    );
  }

  /** @throws IDunnoError NOT_FOUND */
  stat(path: string, version?: number): VersionRecord {
    const { state } = this.#ports;
    const file = state.get(`file/${path}`) as FileRecord | undefined;
    const wanted = version ?? file?.versions.at(-1);
    const record =
      wanted !== undefined && file?.versions.includes(wanted as FileVersion) === true
        ? (state.get(`version/${versionId(path, wanted as FileVersion)}`) as
            VersionRecord | undefined)
        : undefined;
    if (record === undefined)
      throw new IDunnoError("NOT_FOUND", {
        kind: "file",
        name: version === undefined ? path : `${path}@${version}`,
        remedy:
          file === undefined || file.versions.length === 0
            ? "see 'idunno sdfs ls -r'"
            : `versions ${file.versions.join(", ")} are kept`,
      });
    return record;
  }

  /** All kept versions, oldest first. */
  versions(path: string): VersionRecord[] {
    const newest = this.stat(path);
    const file = this.#ports.state.get(`file/${path}`) as FileRecord;
    return file.versions.map((version) =>
      version === newest.version ? newest : this.stat(path, version),
    );
  }

  /** The bytes of pinned content, from `start` to before `end`, each verified before it is handed out. */
  async *read(
    pin: Pick<Pin, "chunks">,
    signal: AbortSignal,
    range: { readonly start: number; readonly end: number } = { start: 0, end: Infinity },
  ): AsyncGenerator<Uint8Array> {
    let offset = 0;
    const wanted = pin.chunks
      .map((chunk) => {
        const from = offset;
        offset += chunk.bytes;
        return { ...chunk, from };
      })
      .filter(({ from, bytes }) => from < range.end && from + bytes > range.start);
    const ahead: Promise<Uint8Array>[] = [];
    for (const [i, chunk] of wanted.entries()) {
      while (ahead.length <= i + readAhead && ahead.length < wanted.length) {
        const hash = wanted[ahead.length]?.hash;
        if (hash === undefined) break;
        const reading = this.#ports.chunks.read(hash, signal);
        reading.catch(() => undefined); // awaited in its turn
        ahead.push(reading);
      }
      const bytes = await ahead[i];
      if (bytes === undefined) break;
      yield bytes.subarray(
        Math.max(0, range.start - chunk.from),
        Math.min(bytes.length, range.end - chunk.from),
      );
      // Handed out: its memory is the reader's now.
      ahead[i] = Promise.resolve(new Uint8Array(0));
    }
  }

  /** Files under a prefix, in path order, after `after`. */
  async *list(prefix: string, after = ""): AsyncGenerator<FileRecord> {
    const from = after === "" ? "" : `file/${after}`;
    for await (const [, value] of this.#ports.state.rows(`file/${prefix}`, from)) {
      const file = value as FileRecord;
      if (file.versions.length > 0) yield file;
    }
  }
}
