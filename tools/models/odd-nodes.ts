/** Parts of ONNX graphs that no sound network has, written with onnx-proto: for tests and benchmarks of what goes wrong. */
import proto from "onnx-proto";

const { AttributeProto, TensorProto } = proto.onnx;

/** An attribute that is a whole number. */
export function int(name: string, i: number): proto.onnx.IAttributeProto {
  return { name, i, type: AttributeProto.AttributeType.INT };
}

/** Constants of type float32. @param dims `[]` is the shape of a scalar */
export function floats(
  name: string,
  dims: readonly number[],
  { buffer, byteOffset, byteLength }: Float32Array,
): proto.onnx.ITensorProto {
  const rawData = new Uint8Array(buffer, byteOffset, byteLength);
  return { name, dims: [...dims], dataType: TensorProto.DataType.FLOAT, rawData };
}

/** Constants of type int64. @param dims `[]` is the shape of a scalar */
export function wholes(
  name: string,
  dims: readonly number[],
  ...values: readonly bigint[]
): proto.onnx.ITensorProto {
  const rawData = new Uint8Array(BigInt64Array.from(values).buffer);
  return { name, dims: [...dims], dataType: TensorProto.DataType.INT64, rawData };
}

/** A tensor that enters or leaves a graph; a name is a size left free. */
export function value(
  name: string,
  shape: readonly (number | string)[],
  elemType: number = TensorProto.DataType.FLOAT,
): proto.onnx.IValueInfoProto {
  const dim = shape.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/**
 * Goes round as often as the int64 scalar `trips` says, and gives back what it was given.
 * @param carried tells the shape and type of what it is given
 */
export function idleLoop(
  { trips, input, output }: Readonly<Record<"trips" | "input" | "output", string>>,
  carried: (name: string) => proto.onnx.IValueInfoProto,
): proto.onnx.INodeProto {
  const { BOOL, INT64 } = TensorProto.DataType;
  const body: proto.onnx.IGraphProto = {
    name: "body",
    input: [value("i", [], INT64), value("goOn", [], BOOL), carried("before")],
    node: [
      { opType: "Identity", input: ["goOn"], output: ["goOnStill"] },
      { opType: "Identity", input: ["before"], output: ["after"] },
    ],
    output: [value("goOnStill", [], BOOL), carried("after")],
  };
  return {
    opType: "Loop",
    input: [trips, "", input],
    output: [output],
    attribute: [{ name: "body", type: AttributeProto.AttributeType.GRAPH, g: body }],
  };
}
