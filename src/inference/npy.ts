/**
 * NumPy's `.npy`: a header in Python's notation, then the values (NEP 1). Read are little-endian arrays of the types that
 * networks take (lib/tensors.ts), row by row; written is what NumPy itself writes, byte for byte.
 */
import { bytesOfValue, type TensorType, tensorTypes } from "../lib/tensors.ts";
import { assert } from "../lib/types.ts";
import type { InputErrorCode } from "./types.ts";

/** `\x93NUMPY` */
const magic = Buffer.from("\x93NUMPY", "latin1");
/** The header is padded, so that values begin at a multiple of it. */
const alignment = 64;
/** Largest header that is read: what version 1 of the format can have. Ours and NumPy's are 128 for plain arrays. */
export const npyHeaderLimit = 65_536 + 10;
/** NumPy's own limit. */
const dimensionsLimit = 64;

const codes: Readonly<Record<TensorType, string>> = {
  float32: "<f4",
  float64: "<f8",
  int32: "<i4",
  int64: "<i8",
  uint8: "|u1",
  bool: "|b1",
};

export interface NpyArray {
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** Little-endian, row by row: a view of what was read. */
  readonly data: Uint8Array;
}

export type ReadArray =
  | { readonly kind: "array"; readonly array: NpyArray }
  | { readonly kind: "error"; readonly code: InputErrorCode };

/** Whether the bytes begin as a `.npy` file does. */
function isNpy(bytes: Uint8Array): boolean {
  return magic.equals(bytes.subarray(0, magic.length));
}

/** What stands before the values. */
export function npyHeader(type: TensorType, shape: readonly number[]): Uint8Array {
  // A tuple of one has a comma in Python.
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${codes[type]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const bytes = magic.length + 4 + text.length + 1;
  const whole = Math.ceil(bytes / alignment) * alignment;
  assert(whole <= npyHeaderLimit, "a tensor has few dimensions");
  const header = Buffer.alloc(whole, " ");
  magic.copy(header);
  header.writeUInt8(1, 6);
  header.writeUInt8(0, 7);
  header.writeUInt16LE(whole - 10, 8);
  header.write(text, 10, "latin1");
  header.write("\n", whole - 1, "latin1");
  return header;
}

/** Reads a whole file; the array's data is a view of it. */
export function readNpy(bytes: Uint8Array): ReadArray {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isNpy(file) || file.length < 12) return wrong("not_an_array");
  const version = file.readUInt8(6);
  if (version < 1 || version > 3) return wrong("unsupported_array");
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? file.readUInt16LE(8) : file.readUInt32LE(8);
  if (length > npyHeaderLimit || start + length > file.length) return wrong("not_an_array");
  return withValues(file.toString("latin1", start, start + length), file.subarray(start + length));
}

function withValues(header: string, data: Uint8Array): ReadArray {
  const fields = fieldsOf(header);
  if (fields === undefined) return wrong("not_an_array");
  const { descr, isFortran, shape } = fields;
  const type = tensorTypes.find((each) => codes[each] === descr);
  // One dimension is the same in either order.
  const isTransposed = isFortran && shape.filter((size) => size !== 1).length > 1;
  if (type === undefined || isTransposed) return wrong("unsupported_array");
  const values = shape.reduce((product, size) => product * size, 1);
  if (values * bytesOfValue(type) !== data.length) return wrong("not_an_array");
  return { kind: "array", array: { type, shape, data } };
}

/** The three fields that every header has, in any order. A `descr` that is no plain text is a record's: `""`. */
function fieldsOf(
  header: string,
):
  | { readonly descr: string; readonly isFortran: boolean; readonly shape: readonly number[] }
  | undefined {
  if (!/^\{.*\}\s*$/s.test(header)) return undefined;
  const descr = /'descr':\s*(?:'([^']*)'|(\[))/.exec(header);
  const order = /'fortran_order':\s*(True|False)/.exec(header);
  const tuple = /'shape':\s*\(([^()]*)\)/.exec(header);
  if (descr === null || order === null || tuple === null) return undefined;
  const sizes = (tuple[1] ?? "").split(",").map((size) => size.trim());
  // A comma may follow the last one, and does where it is the only one.
  if (sizes.at(-1) === "") sizes.pop();
  if (sizes.length > dimensionsLimit || !sizes.every((size) => /^\d{1,15}$/.test(size)))
    return undefined;
  return { descr: descr[1] ?? "", isFortran: order[1] === "True", shape: sizes.map(Number) };
}

function wrong(code: InputErrorCode): ReadArray {
  return { kind: "error", code };
}
