/**
 * The one door to msgpackr. Plain MessagePack without record extensions, so that any language can read our
 * log and frames, and so that equal values with equal field order have equal bytes.
 */
import { addExtension, Packr } from "msgpackr";
import { IDunnoError } from "./errors.ts";

const packr = new Packr({
  useRecords: false,
  // Objects come back as plain objects and 64-bit integers as numbers where they are safe.
  mapsAsObjects: true,
  int64AsType: "number",
});

/**
 * msgpackr's own extensions, but for its `undefined` (type 0): big integers, bundled strings, errors, identities and
 * references to them, sets, typed arrays, regular expressions, dates. We write none of them; and whoever could would
 * stop a node with a few hundred bytes, since forty values of which each refers to the last one twice are 2^40 of them.
 */
for (const type of [0x42, 0x62, 0x65, 0x69, 0x70, 0x73, 0x74, 0x78, 0xff])
  addExtension({
    type,
    unpack: () => {
      throw new TypeError(`an extension of type ${type}`);
    },
  });

/** Encodes a value. The bytes are a copy of their own: they may be kept or transferred. */
export function pack(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value));
}

/**
 * Decodes a value; its byte strings are copies, never views of `bytes`.
 * @throws IDunnoError MALFORMED when the bytes are not one MessagePack value
 */
export function unpack(bytes: Uint8Array, what: string): unknown {
  try {
    return copyBytes(packr.unpack(bytes));
  } catch (cause) {
    throw new IDunnoError(
      "MALFORMED",
      { path: what, expected: "one MessagePack value" },
      { cause },
    );
  }
}

/** msgpackr returns views into the packet, which the socket will overwrite or keep alive. */
function copyBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const item: unknown = value[i];
      if (typeof item === "object" && item !== null) value[i] = copyBytes(item);
    }
    return value;
  }
  if (typeof value === "object" && value !== null) {
    const fields = value as Record<string, unknown>;
    for (const key in fields) {
      const item = fields[key];
      if (typeof item === "object" && item !== null) fields[key] = copyBytes(item);
    }
  }
  return value;
}
