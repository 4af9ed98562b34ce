/**
 * A fast, stable, non-cryptographic 64-bit hash: two 32-bit lanes, each a chain of multiply and rotate, mixed at the
 * end with MurmurHash3's finaliser. It decides where chunks go and whether a request repeated under its key is the same
 * one. Neither has an adversary to fear: content is named by SHA-256, and who reuses a key deceives only himself; a
 * client's mistake passes unnoticed once in 1.8e19 times. Frozen: results are in logs and on disks.
 */

/** The hash of bytes, as 16 hex digits. */
export function hash64(bytes: Uint8Array): string {
  let a = seedA;
  let b = seedB;
  for (const byte of bytes) {
    a = stepA(a, byte);
    b = stepB(b, byte);
  }
  const [high, low] = finish(a, b, bytes.length);
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The hash of a text's UTF-16 units as a number in the open interval (0, 1), 52 bits of it random. */
export function unitHash(text: string): number {
  let a = seedA;
  let b = seedB;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    a = stepA(a, unit);
    b = stepB(b, unit);
  }
  const [high, low] = finish(a, b, text.length);
  // Half a step off the grid, so that neither 0 nor 1 comes out.
  return ((high >>> 6) * 2 ** 26 + (low >>> 6) + 0.5) / 2 ** 52;
}

/** Arbitrary but for being odd-looking and unlike each other: the digits of pi. */
const seedA = 0x243f6a88;
const seedB = 0x85a308d3;

/** For one input each step is a bijection of the lane; the rotation brings high bits down, which a product never does. */
function stepA(lane: number, input: number): number {
  const mixed = Math.imul(lane ^ input, 0x9e3779b1);
  return (mixed << 13) | (mixed >>> 19);
}

function stepB(lane: number, input: number): number {
  const mixed = Math.imul(lane ^ input, 0x5f356495);
  return (mixed << 17) | (mixed >>> 15);
}

function finish(a: number, b: number, length: number): readonly [high: number, low: number] {
  const high = avalanche(a ^ length);
  return [high, avalanche(b ^ Math.imul(high, 0x9e3779b1))];
}

/** MurmurHash3's fmix32 (Appleby, public domain). */
function avalanche(lane: number): number {
  let h = lane ^ (lane >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
