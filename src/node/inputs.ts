/**
 * A job's inputs: resolved to a fixed list at submission, read a segment at a time by whoever runs a query. The list
 * is a file in SDFS, one segment of 2,048 inputs per chunk (scheduler/manifest.ts), so a worker fetches what it needs.
 */
import type { Pin } from "../lib/content.ts";
import { IDunnoError } from "../lib/errors.ts";
import type { ChunkHash } from "../lib/types.ts";
import { apiLimits } from "../lib/api/routes.ts";
import {
  decodeSegment,
  encodeManifest,
  type ManifestInput,
  manifestInput,
  segmentInputs,
  segmentOf,
} from "../scheduler/manifest.ts";
import type { ChunkService } from "./chunk-service.ts";
import type { Files } from "./files.ts";

/** Segments kept decoded, over all jobs: some 100 MB at worst, usually a tenth of it. */
const segmentsKept = 64;

export class Inputs {
  readonly #files: Files;
  readonly #chunks: ChunkService;
  /** Least recently used first. */
  readonly #segments = new Map<ChunkHash, Promise<readonly ManifestInput[]>>();

  constructor(ports: { readonly files: Files; readonly chunks: ChunkService }) {
    this.#files = ports.files;
    this.#chunks = ports.chunks;
  }

  /**
   * Every file that the given paths and prefixes name, once, sorted by path.
   * @throws IDunnoError NOT_FOUND for a prefix that names nothing
   */
  async resolve(paths: readonly string[]): Promise<ManifestInput[]> {
    const found = new Map<string, ManifestInput>();
    for (const path of paths) {
      const before = found.size;
      let named = 0;
      for await (const file of this.#matching(path)) {
        named += 1;
        if (!found.has(file.path)) found.set(file.path, manifestInput(file));
        if (found.size > apiLimits.jobInputs)
          throw new IDunnoError("TOO_LARGE", {
            what: "the job's list of inputs",
            size: found.size,
            limit: apiLimits.jobInputs,
          });
      }
      if (named === 0 && found.size === before)
        throw new IDunnoError("NOT_FOUND", {
          kind: "input",
          name: path,
          remedy: "see 'idunno sdfs ls -r', or put files there with 'idunno sdfs put -r'",
        });
    }
    // By UTF-8 bytes, as every listing.
    const keyed = [...found.values()].map((input) => ({ input, key: Buffer.from(input.path) }));
    return keyed.toSorted((a, b) => Buffer.compare(a.key, b.key)).map(({ input }) => input);
  }

  /** The file of that name, or everything in the folder of that name. */
  async *#matching(path: string): AsyncGenerator<ReturnType<Files["stat"]>> {
    const folder = path.endsWith("/") ? path : `${path}/`;
    if (folder !== path) {
      try {
        yield this.#files.stat(path);
      } catch (error) {
        if (!(error instanceof IDunnoError && error.code === "NOT_FOUND")) throw error;
      }
    }
    for await (const file of this.#files.list(folder)) yield this.#files.stat(file.path);
  }

  /** The list as chunks, one per segment. */
  async *pieces(
    inputs: readonly ManifestInput[],
  ): AsyncGenerator<{ readonly hash: ChunkHash; readonly bytes: Uint8Array }> {
    for (const bytes of encodeManifest(inputs))
      yield { hash: await this.#chunks.hash(bytes), bytes };
  }

  /** A list that comes bit by bit as chunks, one per segment; no more than one of them is in memory. */
  async *segments(
    list: AsyncIterable<ManifestInput>,
  ): AsyncGenerator<{ readonly hash: ChunkHash; readonly bytes: Uint8Array }> {
    let part: ManifestInput[] = [];
    for await (const input of list) {
      part.push(input);
      if (part.length < segmentInputs) continue;
      yield* this.pieces(part);
      part = [];
    }
    yield* this.pieces(part);
  }

  /** Inputs [from, from + count) of a pinned list. */
  async range(
    manifest: Pin,
    range: { readonly from: number; readonly count: number },
    signal: AbortSignal,
  ): Promise<ManifestInput[]> {
    const inputs: ManifestInput[] = [];
    for (let i = range.from; i < range.from + range.count;) {
      const number = segmentOf(i);
      const segment = await this.#segment(manifest, number, signal);
      const offset = i - number * segmentInputs;
      const part = segment.slice(offset, offset + range.from + range.count - i);
      if (part.length === 0)
        throw new IDunnoError("MALFORMED", { path: manifest.path, expected: `an input ${i}` });
      inputs.push(...part);
      i += part.length;
    }
    return inputs;
  }

  async #segment(
    manifest: Pin,
    number: number,
    signal: AbortSignal,
  ): Promise<readonly ManifestInput[]> {
    const hash = manifest.chunks[number]?.hash;
    if (hash === undefined)
      throw new IDunnoError("MALFORMED", { path: manifest.path, expected: `a segment ${number}` });
    const known = this.#segments.get(hash);
    const reading = known ?? this.#read(hash, signal);
    this.#segments.delete(hash);
    this.#segments.set(hash, reading);
    for (const oldest of this.#segments.keys()) {
      if (this.#segments.size <= segmentsKept) break;
      this.#segments.delete(oldest);
    }
    return reading;
  }

  async #read(hash: ChunkHash, signal: AbortSignal): Promise<readonly ManifestInput[]> {
    try {
      return decodeSegment(await this.#chunks.read(hash, signal));
    } catch (error) {
      this.#segments.delete(hash);
      throw error;
    }
  }
}
