/**
 * LevelDB's record format (its doc/log_format.md), in which it writes its logs and its MANIFEST: blocks of 32 KiB, in
 * them `[masked crc32c 4][length 2][type 1][bytes]`, little-endian; a record that does not fit goes on in the next block.
 */
import { crc32c, unmaskCrc } from "./crc32c.ts";

export const blockBytes = 32 * 1024;
const headerBytes = 7;

// Types of fragments; 3 is one in the middle.
const whole = 1;
const first = 2;
const last = 4;

/** The first thing wrong in a file. `short`: the file ends within a record, as after a crash. */
export interface RecordFault {
  readonly kind: "short" | "bad";
  readonly at: number;
  readonly why: string;
}

export interface RecordFile {
  /** The records before the fault, each cut to `keepBytes`. */
  readonly records: readonly Uint8Array[];
  readonly fault: RecordFault | undefined;
}

/** Reads records until the end or the first fault. */
export function readRecords(
  bytes: Buffer,
  keepBytes: number = Number.POSITIVE_INFINITY,
): RecordFile {
  const records: Uint8Array[] = [];
  let open: Uint8Array | undefined;
  let openAt = 0;
  let at = 0;
  const fault = (kind: RecordFault["kind"], why: string, where = at): RecordFile => ({
    records,
    fault: { kind, at: where, why },
  });
  while (at < bytes.length) {
    const left = blockBytes - (at % blockBytes);
    if (left < headerBytes) {
      at += left; // the trailer of a block means nothing
      continue;
    }
    if (bytes.length - at < headerBytes) return fault("short", "a header is cut off");
    const length = bytes.readUInt16LE(at + 4);
    const type = bytes.readUInt8(at + 6);
    const end = at + headerBytes + length;
    if (end > bytes.length && bytes.length - at <= left)
      return fault("short", "a record is cut off");
    if (headerBytes + length > left) return fault("bad", "a record is longer than its block");
    if (crc32c(bytes, at + 6, end) !== unmaskCrc(bytes.readUInt32LE(at)))
      return fault("bad", "the CRC of a record does not match");
    const starts = type === whole || type === first;
    if (type < whole || type > last || starts !== (open === undefined))
      return fault("bad", `a fragment of type ${type} out of place`);
    const part: Uint8Array = bytes.subarray(at + headerBytes, end);
    if (starts) openAt = at;
    open = join(open, part, keepBytes);
    if (type === whole || type === last) {
      records.push(open);
      open = undefined;
    }
    at = end;
  }
  return open === undefined
    ? { records, fault: undefined }
    : fault("short", "the rest of a record is missing", openAt);
}

function join(before: Uint8Array | undefined, part: Uint8Array, keepBytes: number): Uint8Array {
  if (before === undefined) return part.subarray(0, keepBytes);
  if (before.length >= keepBytes) return before;
  return Buffer.concat([before, part]).subarray(0, keepBytes);
}
