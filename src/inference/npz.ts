/**
 * NumPy's `.npz`: a ZIP archive of `.npy` files. Written without compression, clock or chance, so that equal arrays give equal
 * bytes; read as NumPy writes it, stored or deflated, by its central directory (APPNOTE.TXT 4.3).
 */
import { crc32, inflateRawSync } from "node:zlib";
import { assert } from "../lib/types.ts";
import { type NpyArray, npyHeader } from "./npy.ts";
import type { InputErrorCode } from "./types.ts";

const localMark = 0x04034b50;
const centralMark = 0x02014b50;
const endMark = 0x06054b50;
const localBytes = 30;
const centralBytes = 46;
const endBytes = 22;
/** The comment at the end of an archive has at most so many bytes. */
const commentBytes = 0xffff;
/** Files of an archive that is read; NumPy writes one for each array. */
const entriesLimit = 1_024;
/** 1 January 1980, the first day that the format knows, at 0:00. */
const date = 0x21;
/** Version 2.0: what plain and deflated files need. */
const version = 20;
/** Bit 11: the name is UTF-8. */
const utf8 = 0x800;
const encrypted = 1;
const stored = 0;
const deflated = 8;

export interface NamedArray extends NpyArray {
  /** What `numpy.load` calls it. */
  readonly name: string;
}

/** The pieces of an archive, to be written one after the other; the arrays' data is among them, not copied. */
export function npzOf(arrays: readonly NamedArray[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, type, shape, data } of arrays) {
    const header = npyHeader(type, shape);
    const file = Buffer.from(`${name}.npy`);
    const bytes = header.length + data.length;
    const entry = { file, bytes, crc: crc32(data, crc32(header)), at };
    pieces.push(local(entry), header, data);
    directory.push(central(entry));
    at += localBytes + file.length + bytes;
  }
  const directoryBytes = directory.reduce((sum, each) => sum + each.length, 0);
  assert(at + directoryBytes < 2 ** 32, "an archive has less than 4 GiB");
  const end = Buffer.alloc(endBytes);
  end.writeUInt32LE(endMark, 0);
  end.writeUInt16LE(arrays.length, 8);
  end.writeUInt16LE(arrays.length, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(at, 16);
  return [...pieces, ...directory, end];
}

interface Written {
  readonly file: Buffer;
  readonly bytes: number;
  readonly crc: number;
  readonly at: number;
}

function local(entry: Written): Uint8Array {
  const header = Buffer.alloc(localBytes);
  header.writeUInt32LE(localMark, 0);
  common(entry, header, 4);
  return Buffer.concat([header, entry.file]);
}

function central(entry: Written): Uint8Array {
  const header = Buffer.alloc(centralBytes);
  header.writeUInt32LE(centralMark, 0);
  header.writeUInt16LE(version, 4);
  common(entry, header, 6);
  header.writeUInt32LE(entry.at, 42);
  return Buffer.concat([header, entry.file]);
}

/** What both headers of a file have: from the version that it needs to the length of its name. */
function common({ file, bytes, crc }: Written, header: Buffer, at: number): void {
  header.writeUInt16LE(version, at);
  header.writeUInt16LE(utf8, at + 2);
  header.writeUInt16LE(stored, at + 4);
  header.writeUInt16LE(0, at + 6);
  header.writeUInt16LE(date, at + 8);
  header.writeUInt32LE(crc, at + 10);
  header.writeUInt32LE(bytes, at + 14);
  header.writeUInt32LE(bytes, at + 18);
  header.writeUInt16LE(file.length, at + 22);
}

/** Whether the bytes begin as a `.npz` file does. */
export function isNpz(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === localMark;
}

/** A file of an archive, packed as it is there. */
interface Packed {
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc: number;
  readonly bytes: number;
  readonly packed: Uint8Array;
}

export type ReadFile =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly code: InputErrorCode };

/** An archive that is read. Nothing is unpacked before it is asked for. */
export class Npz {
  readonly #entries: ReadonlyMap<string, Packed>;

  private constructor(entries: ReadonlyMap<string, Packed>) {
    this.#entries = entries;
  }

  /** undefined when it is no archive, or a damaged one. */
  static read(bytes: Uint8Array): Npz | undefined {
    const entries = entriesOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return entries === undefined ? undefined : new Npz(entries);
  }

  /**
   * The `.npy` file of an array; undefined when there is none of that name.
   * @param limit bytes that it may have; one that has more is of the wrong shape, and not unpacked
   */
  file(name: string, limit: number): ReadFile | undefined {
    const entry = this.#entries.get(`${name}.npy`);
    if (entry === undefined) return undefined;
    const { method, isEncrypted, crc, bytes } = entry;
    if (isEncrypted || (method !== stored && method !== deflated))
      return wrong("unsupported_array");
    if (bytes > limit) return wrong("wrong_shape");
    const unpacked = unpack(entry);
    if (unpacked?.length !== bytes || crc32(unpacked) !== crc) return wrong("not_an_array");
    return { kind: "bytes", bytes: unpacked };
  }
}

function unpack({ method, bytes, packed }: Packed): Uint8Array | undefined {
  if (method === stored) return packed;
  try {
    // Never more than the directory says, whatever the stream would become; one byte at least may be asked for.
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) });
  } catch (error) {
    // Damaged, or longer than it says: a fact about the file, which becomes its result.
    void error;
    return undefined;
  }
}

function entriesOf(file: Buffer): ReadonlyMap<string, Packed> | undefined {
  const end = endOf(file);
  if (end === undefined) return undefined;
  const count = file.readUInt16LE(end + 10);
  if (count > entriesLimit) return undefined;
  const entries = new Map<string, Packed>();
  let at = file.readUInt32LE(end + 16);
  for (let i = 0; i < count; i += 1) {
    if (at + centralBytes > end || file.readUInt32LE(at) !== centralMark) return undefined;
    const nameBytes = file.readUInt16LE(at + 28);
    const next =
      at + centralBytes + nameBytes + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
    const name = file.toString("utf8", at + centralBytes, at + centralBytes + nameBytes);
    const entry = next > end ? undefined : entryAt(file, at, end);
    if (entry === undefined || entries.has(name)) return undefined;
    entries.set(name, entry);
    at = next;
  }
  return entries;
}

/** Where the end record is, which is found backwards, since a comment may follow. */
function endOf(file: Buffer): number | undefined {
  const least = Math.max(0, file.length - endBytes - commentBytes);
  for (let at = file.length - endBytes; at >= least; at -= 1)
    if (
      file.readUInt32LE(at) === endMark &&
      at + endBytes + file.readUInt16LE(at + 20) === file.length
    )
      return at;
  return undefined;
}

/** The file of which the central directory speaks at `at`. */
function entryAt(file: Buffer, at: number, end: number): Packed | undefined {
  const localAt = file.readUInt32LE(at + 42);
  if (localAt + localBytes > end || file.readUInt32LE(localAt) !== localMark) return undefined;
  const from =
    localAt + localBytes + file.readUInt16LE(localAt + 26) + file.readUInt16LE(localAt + 28);
  const to = from + file.readUInt32LE(at + 20);
  if (to > end) return undefined;
  return {
    method: file.readUInt16LE(at + 10),
    isEncrypted: (file.readUInt16LE(at + 8) & encrypted) !== 0,
    crc: file.readUInt32LE(at + 16),
    bytes: file.readUInt32LE(at + 24),
    packed: file.subarray(from, to),
  };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function wrong(code: InputErrorCode): ReadFile {
  return { kind: "error", code };
}
