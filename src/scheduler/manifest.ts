/**
 * A job's inputs, fixed at submission, as the file that the job pins: segments of exactly 2,048 inputs (the last may
 * have fewer), each segment one chunk. So input i lies in chunk floor(i / 2,048), and a worker that runs a query reads
 * one or two chunks of a manifest, however long that is.
 *
 * A segment is MessagePack: [1, [[path, version, bytes, hashes], …]] with the SHA-256 names of the input's chunks as
 * one byte string of 32 bytes each; an input that is too large to run has no fourth field.
 */
import { chunkBytes } from "../lib/content.ts";
import { IDunnoError } from "../lib/errors.ts";
import { toHex, writeHex } from "../lib/hex.ts";
import { pack, unpack } from "../lib/msgpack.ts";
import { ChunkHash, FileVersion } from "../lib/types.ts";

export interface ManifestInput {
  readonly path: string;
  readonly version: FileVersion;
  readonly bytes: number;
  /** In order; empty when {@link tooLarge}. */
  readonly chunks: readonly ChunkHash[];
  /** Over {@link inputBytesLimit}: answered with `too_large` without being read. */
  readonly tooLarge: boolean;
}

/** Inputs of a segment. With at most 16 chunks and 1,024 bytes of path each, 2,048 inputs are under 3.4 MB: one chunk. */
export const segmentInputs = 2_048;
/** A larger input is never read: no photograph is, and a slot's memory is bounded. */
export const inputBytesLimit = 64 * 1024 * 1024;
/** Chunks of an input at that limit; a file cut into more and smaller ones counts as too large as well. */
const inputChunksLimit = inputBytesLimit / chunkBytes;
const hashBytes = 32;
const format = 1;

/** The chunk of the manifest that input `input` lies in. */
export function segmentOf(input: number): number {
  return Math.floor(input / segmentInputs);
}

/** How an input stands in the manifest: too large a file keeps its name but not its chunks. */
export function manifestInput(file: {
  readonly path: string;
  readonly version: FileVersion;
  readonly bytes: number;
  readonly chunks: readonly { readonly hash: ChunkHash }[];
}): ManifestInput {
  const { path, version, bytes } = file;
  const tooLarge = bytes > inputBytesLimit || file.chunks.length > inputChunksLimit;
  return { path, version, bytes, tooLarge, chunks: tooLarge ? [] : file.chunks.map((c) => c.hash) };
}

/** The chunks of the manifest of these inputs, in order. Equal inputs give equal bytes. */
export function* encodeManifest(inputs: readonly ManifestInput[]): Generator<Uint8Array> {
  for (let from = 0; from < inputs.length; from += segmentInputs)
    yield encodeSegment(inputs.slice(from, from + segmentInputs));
}

/** One segment's bytes. */
export function encodeSegment(inputs: readonly ManifestInput[]): Uint8Array {
  return pack([format, inputs.map(packInput)]);
}

function packInput({ path, version, bytes, chunks, tooLarge }: ManifestInput): unknown {
  if (tooLarge) return [path, version, bytes];
  const hashes = new Uint8Array(chunks.length * hashBytes);
  chunks.forEach((hash, i) => {
    writeHex(hash, hashes, i * hashBytes);
  });
  return [path, version, bytes, hashes];
}

/**
 * Reads one chunk of a manifest.
 * @throws IDunnoError MALFORMED naming the first input that is not one
 */
export function decodeSegment(bytes: Uint8Array): readonly ManifestInput[] {
  const value = unpack(bytes, "manifest");
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== format)
    throw malformed("manifest", `a segment of format ${format}`);
  const inputs: unknown = value[1];
  if (!Array.isArray(inputs) || inputs.length === 0 || inputs.length > segmentInputs)
    throw malformed("manifest/1", `1 to ${segmentInputs} inputs`);
  return inputs.map((input: unknown, i) => unpackInput(input, `manifest/1/${i}`));
}

function unpackInput(value: unknown, where: string): ManifestInput {
  if (!Array.isArray(value) || value.length < 3 || value.length > 4)
    throw malformed(where, "[path, version, bytes, hashes]");
  const [path, version, bytes, hashes] = value as readonly unknown[];
  if (typeof path !== "string" || path === "") throw malformed(`${where}/0`, "a path");
  if (!isCount(version) || version === 0) throw malformed(`${where}/1`, "a version of at least 1");
  if (!isCount(bytes)) throw malformed(`${where}/2`, "a number of bytes");
  const common = { path, version: FileVersion(version), bytes };
  if (value.length === 3) return { ...common, tooLarge: true, chunks: [] };
  if (!(hashes instanceof Uint8Array) || !fits(hashes.length, bytes))
    throw malformed(`${where}/3`, `at most ${inputChunksLimit} hashes of ${hashBytes} bytes`);
  const chunks: ChunkHash[] = [];
  for (let at = 0; at < hashes.length; at += hashBytes)
    chunks.push(ChunkHash(toHex(hashes.subarray(at, at + hashBytes))));
  return { ...common, tooLarge: false, chunks };
}

/** Whole hashes, not too many, and none only for an empty file. */
function fits(length: number, bytes: number): boolean {
  const whole = length % hashBytes === 0 && length <= inputChunksLimit * hashBytes;
  return whole && (length > 0 || bytes === 0);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function malformed(path: string, expected: string): IDunnoError {
  return new IDunnoError("MALFORMED", { path, expected });
}
