/**
 * Bytes under a CRC, `[crc32 4][bytes]`: LevelDB neither checks its blocks when it reads nor tells of records that it
 * skips. The CRC covers a row's key as well, so that a row cannot stand in for another.
 */
import { crc32 } from "node:zlib";

export function seal(bytes: Uint8Array, key = ""): Uint8Array {
  const row = Buffer.allocUnsafeSlow(4 + bytes.length);
  row.writeUInt32BE(crc32(bytes, crc32(key)), 0);
  row.set(bytes, 4);
  return row;
}

/** The bytes under the seal; undefined when it is broken. */
export function unseal(row: Uint8Array, key = ""): Uint8Array | undefined {
  if (row.length < 4) return undefined;
  const bytes = row.subarray(4);
  const view = Buffer.from(row.buffer, row.byteOffset, 4);
  return view.readUInt32BE(0) === crc32(bytes, crc32(key)) ? bytes : undefined;
}
