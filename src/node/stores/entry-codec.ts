/**
 * A log entry on disk: `[crc32 4][format 1][kind 1][term 8][chain 16][data …]`, big-endian, under the key
 * `e<index, 14 hex digits>`.
 *
 * LevelDB skips damaged records without a word, so each entry proves itself: the CRC covers its index and all that
 * follows; `chain` is the running hash of the log up to and with it (SHA-256, first 16 bytes, of the previous
 * chain, index, term, kind and data), so that an entry of another history cannot stand in.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { LogIndex, Term } from "../../lib/types.ts";
import type { Entry } from "../../raft/types.ts";

const headerBytes = 30;
const format = 1;
const kinds: readonly Entry["kind"][] = ["noop", "command", "configuration"];

/** Bytes of a chain hash. */
export const chainBytes = 16;
/** The chain before the first entry. */
export const chainStart = new Uint8Array(chainBytes);

export function entryKey(index: number): string {
  return `e${index.toString(16).padStart(14, "0")}`;
}

export function indexOfKey(key: string): number {
  return Number.parseInt(key.slice(1), 16);
}

export interface StoredEntry {
  readonly entry: Entry;
  readonly chain: Uint8Array;
}

export function encodeEntry(
  entry: Entry,
  previousChain: Uint8Array,
): { bytes: Uint8Array; chain: Uint8Array } {
  const bytes = Buffer.allocUnsafeSlow(headerBytes + entry.data.length);
  bytes.writeUInt8(format, 4);
  bytes.writeUInt8(kinds.indexOf(entry.kind), 5);
  writeCount(bytes, entry.term, 6);
  bytes.set(entry.data, headerBytes);
  const chain = chainOf(entry, previousChain);
  bytes.set(chain, 14);
  bytes.writeUInt32BE(checksum(entry.index, bytes), 0);
  return { bytes, chain };
}

/** Decodes an entry, or says what is wrong with it. The data is a view of `bytes`, which LevelDB gave to us alone. */
export function decodeEntry(index: number, bytes: Uint8Array): StoredEntry | string {
  if (bytes.length < headerBytes) return `${bytes.length} bytes, too short for an entry`;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.readUInt32BE(0) !== checksum(index, view)) return "the CRC does not match";
  if (view.readUInt8(4) !== format) return `format ${view.readUInt8(4)} is not known`;
  const kind = kinds[view.readUInt8(5)];
  if (kind === undefined) return `kind ${view.readUInt8(5)} is not known`;
  return {
    entry: {
      index: LogIndex(index),
      term: Term(Number(view.readBigUInt64BE(6))),
      kind,
      data: bytes.subarray(headerBytes),
    },
    chain: bytes.subarray(14, headerBytes),
  };
}

export function chainOf(entry: Entry, previousChain: Uint8Array): Uint8Array {
  const { index, term, kind, data } = entry;
  const input = Buffer.allocUnsafe(chainBytes + 17 + data.length);
  input.set(previousChain);
  writeCount(input, index, chainBytes);
  writeCount(input, term, chainBytes + 8);
  input.writeUInt8(kinds.indexOf(kind), chainBytes + 16);
  input.set(data, chainBytes + 17);
  return createHash("sha256").update(input).digest().subarray(0, chainBytes);
}

/** Over the index and everything behind the CRC itself. */
function checksum(index: number, bytes: Buffer): number {
  const place = Buffer.allocUnsafe(8);
  writeCount(place, index, 0);
  return crc32(bytes.subarray(4), crc32(place));
}

/** A whole number of at most 53 bits as 64, big-endian: a BigInt would cost more than the rest. */
function writeCount(bytes: Buffer, count: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(count / 2 ** 32), at);
  bytes.writeUInt32BE(count % 2 ** 32, at + 4);
}
