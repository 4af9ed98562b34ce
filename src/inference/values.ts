/** Typed arrays for the types of tensors, as onnxruntime has them: a truth value is a byte. */
import type { TensorType } from "../lib/tensors.ts";

export type Values = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** What a network answers for one input: its outputs, in the manifest's order. Views: valid for as long as they are kept. */
export type Row = readonly Values[];

/** One input tensor of a run. */
export interface Feed {
  readonly name: string;
  readonly type: TensorType;
  /** With the number of rows in front. */
  readonly shape: readonly number[];
  readonly values: Values;
}

/** All zeros. */
export function zeros(type: TensorType, count: number): Values {
  switch (type) {
    case "float32":
      return new Float32Array(count);
    case "float64":
      return new Float64Array(count);
    case "int32":
      return new Int32Array(count);
    case "int64":
      return new BigInt64Array(count);
    case "uint8":
    case "bool":
      return new Uint8Array(count);
  }
}

/** The same memory, byte by byte: little-endian, as on every machine that onnxruntime runs on. */
export function bytesOf({ buffer, byteOffset, byteLength }: Values): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Whether there is neither an infinity nor a NaN among them; whole numbers have none. */
export function isFinite(values: Values): boolean {
  return values instanceof Float32Array || values instanceof Float64Array
    ? values.every(Number.isFinite)
    : true;
}
