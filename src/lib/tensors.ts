/**
 * Arrays of numbers as networks take and give them: a type, by ONNX's name, and a fixed shape. What stands here is one row,
 * without the dimension N in front that counts the rows of a run.
 */
import { assert } from "./types.ts";

/** Types whose values NumPy and JavaScript know as well. */
export const tensorTypes = ["float32", "float64", "int32", "int64", "uint8", "bool"] as const;
export type TensorType = (typeof tensorTypes)[number];

/** One row of a network's input or output. */
export interface RowTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Of one row: `[]` is a single value. */
  readonly shape: readonly number[];
}

export const tensorLimits = {
  /** Inputs of a network, and outputs of it that are kept. Arbitrary; networks have a handful. */
  tensors: 16,
  /** Of one row. Arbitrary; onnxruntime and NumPy know more. */
  dimensions: 7,
  /** Characters of a name. */
  name: 256,
  /** Bytes of what one input becomes, all inputs of the network together: a slot's memory, as for images. */
  inputBytes: 64 * 1024 * 1024,
  /** Bytes of what a query gives, all outputs of all its inputs together: a slot's memory, and 17 chunks in a command. */
  queryBytes: 64 * 1024 * 1024,
  /** Bytes of the file that they are in: with headers, and the numbers of a query's inputs. */
  fileBytes: 65 * 1024 * 1024,
} as const;

const valueBytes: Readonly<Record<TensorType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

/** Bytes of one value. */
export function bytesOfValue(type: TensorType): number {
  return valueBytes[type];
}

/** Values of one row. */
export function valuesOfRow({ shape }: Pick<RowTensor, "shape">): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of one row of all these. */
export function bytesOfRow(tensors: readonly Pick<RowTensor, "type" | "shape">[]): number {
  return tensors.reduce((sum, each) => sum + valuesOfRow(each) * valueBytes[each.type], 0);
}

/** How many inputs a query may have so that what it gives keeps to the limit: at least one where a row does. */
export function rowsPerQuery(outputs: readonly Pick<RowTensor, "type" | "shape">[]): number {
  const bytes = bytesOfRow(outputs);
  assert(bytes > 0, "a row has values");
  return Math.floor(tensorLimits.queryBytes / bytes);
}

/** Which of the known types a name is; undefined: none. */
export function tensorType(name: string): TensorType | undefined {
  return tensorTypes.find((type) => type === name);
}

/** `[N, 3, 224]` */
export function describeRows(shape: readonly number[]): string {
  return `[${["N", ...shape].join(", ")}]`;
}

/** `tokens (int64 [N, 128])` */
export function describeRow({ name, type, shape }: RowTensor): string {
  return `${name} (${type} ${describeRows(shape)})`;
}
