/**
 * Builds an ONNX model operator by operator and encodes it. The one door to onnx-proto.
 * After encoding it decodes again and compares, because the encoder drops silently what it does not take.
 */
import proto from "onnx-proto";
import { IDunnoError } from "../../src/lib/errors.ts";
import { firstDifference } from "./round-trip.ts";

// onnx-proto is CommonJS: only its default export is seen by Node's ESM loader.
const { AttributeProto, ModelProto, TensorProto } = proto.onnx;

/** A bare number is an integer, since ONNX tells `1` from `1.0`. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A float32 tensor that enters or leaves the graph; a string is a dimension left open. */
export interface Port {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** ONNX operator set: the newest that every onnxruntime since 1.8 (2021) knows in full. */
const opset = 13;
/** The file format that belongs to no newer operator set than ours needs; 8 came with ONNX 1.10 (2021). */
const irVersion = 8;

export class OnnxWriter {
  readonly #nodes: proto.onnx.INodeProto[] = [];
  readonly #initializers: proto.onnx.ITensorProto[] = [];

  /** Adds an operator with one output, which has the operator's name, and returns that name. */
  node(
    opType: string,
    input: readonly string[],
    name: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const attribute = Object.entries(attributes).map(([key, value]) => toProto(key, value));
    this.#nodes.push({ opType, name, input: [...input], output: [name], attribute });
    return name;
  }

  /** Adds a float32 constant and returns its name. `[]` is the shape of a scalar. */
  floats(name: string, shape: readonly number[], values: Float32Array): string {
    return this.#constant(name, shape, TensorProto.DataType.FLOAT, values);
  }

  /** Adds a list of int64 and returns its name. */
  int64s(name: string, values: readonly number[]): string {
    const words = BigInt64Array.from(values, BigInt);
    return this.#constant(name, [values.length], TensorProto.DataType.INT64, words);
  }

  /**
   * The file's bytes. Equal calls give equal bytes.
   * @throws BAD_MODEL when decoding does not give back what was encoded
   */
  encode(name: string, inputs: readonly Port[], outputs: readonly Port[]): Uint8Array {
    const model: proto.onnx.IModelProto = {
      irVersion,
      producerName: "idunno",
      opsetImport: [{ domain: "", version: opset }],
      graph: {
        name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo),
      },
    };
    const bytes = ModelProto.encode(model).finish();
    const difference = firstDifference(model, ModelProto.decode(bytes), "model");
    if (difference !== undefined)
      throw new IDunnoError("BAD_MODEL", {
        model: name,
        why: `${difference} did not survive encoding`,
      });
    return bytes;
  }

  #constant(
    name: string,
    shape: readonly number[],
    dataType: number,
    values: Float32Array | BigInt64Array,
  ): string {
    // A view of bytes: given the typed array itself, onnx-proto would keep one byte of each value.
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push({ name, dims: [...shape], dataType, rawData });
    return name;
  }
}

function valueInfo({ name, shape }: Port): proto.onnx.IValueInfoProto {
  const dim = shape.map((size) =>
    typeof size === "string" ? { dimParam: size } : { dimValue: size },
  );
  return { name, type: { tensorType: { elemType: TensorProto.DataType.FLOAT, shape: { dim } } } };
}

function toProto(name: string, value: Attribute): proto.onnx.IAttributeProto {
  const { AttributeType } = AttributeProto;
  if (typeof value === "string") return { name, type: AttributeType.STRING, s: Buffer.from(value) };
  if (typeof value === "number") return { name, type: AttributeType.INT, i: value };
  if ("float" in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.INTS, ints: [...value] };
}
