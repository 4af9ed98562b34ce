/** Lower-case hex, in both directions, without Node's Buffer, so that the pure layers can name chunks. */

const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += digits[byte] ?? "";
  return hex;
}

/** Writes the bytes that `hex` names into `target` from `offset` on. `hex` must be lower-case hex of even length. */
export function writeHex(hex: string, target: Uint8Array, offset: number): void {
  for (let i = 0; i < hex.length; i += 2)
    target[offset + i / 2] = (nibble(hex.charCodeAt(i)) << 4) | nibble(hex.charCodeAt(i + 1));
}

/** "0" to "9" are 48 to 57, "a" to "f" 97 to 102. */
function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}
