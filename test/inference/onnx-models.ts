/**
 * Tiny ONNX networks for tests, written with onnx-proto. All take [N, 3, side, side] and begin with a linear
 * layer over the pixels; some then do on bright images what no network should.
 */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import proto from "onnx-proto";
import type { LocalModel } from "../../src/inference/types.ts";
import type { ImageClassifier, ModelManifest } from "../../src/lib/model-manifest.ts";
import { Random } from "../../src/lib/random.ts";

const { AttributeProto, ModelProto, TensorProto } = proto.onnx;
type Node = proto.onnx.INodeProto;
type Tensor = proto.onnx.ITensorProto;

export const SIDE = 16;
export const CLASSES = 7;

/**
 * What a network does on an image with a white pixel: nothing special, loop for ever, divide by 0, or divide the least
 * whole number by -1, which ends the process where processors trap it (x86: SIGFPE).
 */
export type Behaviour = "plain" | "hangs-on-white" | "infinite-on-white" | "aborts-on-white";

export const int = (name: string, i: number): proto.onnx.IAttributeProto => ({
  name,
  i,
  type: AttributeProto.AttributeType.INT,
});

export function floats(name: string, dims: readonly number[], values: Float32Array): Tensor {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims: [...dims], dataType: TensorProto.DataType.FLOAT, rawData };
}

export function value(
  name: string,
  shape: readonly (number | string)[],
  elemType: number = TensorProto.DataType.FLOAT,
): proto.onnx.IValueInfoProto {
  const dim = shape.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function weights(seed: number, count: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.between(-1000, 1000) / 4000);
}

/** For each image whether its brightest value is that of a white pixel. [N, 1] */
const isWhite: readonly Node[] = [
  {
    opType: "ReduceMax",
    input: ["flat"],
    output: ["brightest"],
    attribute: [{ name: "axes", ints: [1], type: AttributeProto.AttributeType.INTS }],
  },
  { opType: "Greater", input: ["brightest", "threshold"], output: ["white"] },
];

const behaviours: Readonly<Record<Behaviour, readonly Node[]>> = {
  plain: [{ opType: "Identity", input: ["logits"], output: ["scores"] }],
  "infinite-on-white": [
    ...isWhite,
    { opType: "Not", input: ["white"], output: ["dark"] },
    { opType: "Cast", input: ["dark"], output: ["divisor"], attribute: [int("to", 1)] },
    { opType: "Div", input: ["logits", "divisor"], output: ["scores"] },
  ],
  "aborts-on-white": [
    ...isWhite,
    // -1 where there is white, or else 0; and so 0, or that which the quotient by -1 cannot be.
    { opType: "Cast", input: ["white"], output: ["one"], attribute: [int("to", 7)] },
    { opType: "Mul", input: ["one", "least"], output: ["dividend"] },
    { opType: "Div", input: ["dividend", "minusOne"], output: ["quotient"] },
    { opType: "Cast", input: ["quotient"], output: ["zero"], attribute: [int("to", 1)] },
    { opType: "Add", input: ["logits", "zero"], output: ["scores"] },
  ],
  "hangs-on-white": [
    ...isWhite,
    { opType: "Cast", input: ["white"], output: ["one"], attribute: [int("to", 7)] },
    { opType: "ReduceMax", input: ["one"], output: ["any"], attribute: [int("keepdims", 0)] },
    { opType: "Mul", input: ["any", "huge"], output: ["trips"] },
    {
      opType: "Loop",
      input: ["trips", "", "logits"],
      output: ["scores"],
      attribute: [
        {
          name: "body",
          type: AttributeProto.AttributeType.GRAPH,
          g: {
            name: "body",
            input: [
              value("i", [], TensorProto.DataType.INT64),
              value("goOn", [], TensorProto.DataType.BOOL),
              value("before", ["N", CLASSES]),
            ],
            node: [
              { opType: "Identity", input: ["goOn"], output: ["goOnStill"] },
              { opType: "Identity", input: ["before"], output: ["after"] },
            ],
            output: [
              value("goOnStill", [], TensorProto.DataType.BOOL),
              value("after", ["N", CLASSES]),
            ],
          },
        },
      ],
    },
  ],
};

export function encodeModel({
  behaviour = "plain",
  whiteFrom = 0.99,
  trips = 2n ** 50n,
  seed = 1,
  batch = "N",
  image = [3, SIDE, SIDE],
  isUint8 = false,
  hasOnes = false,
  hasLogits = false,
}: {
  readonly behaviour?: Behaviour;
  /** A brighter value than this is white; 0 is black, 1 is the brightest. */
  readonly whiteFrom?: number;
  /** How often a network that hangs goes round: for ever, unless given. */
  readonly trips?: bigint;
  readonly seed?: number;
  readonly batch?: string | number;
  /** Sizes of one image; names are sizes left free, which must multiply to the same. */
  readonly image?: readonly (string | number)[];
  readonly isUint8?: boolean;
  /** The scores' shape is [N, CLASSES, 1, 1]. */
  readonly hasOnes?: boolean;
  /** The logits are a second output. */
  readonly hasLogits?: boolean;
} = {}): Uint8Array {
  const sizes = image.filter((size) => typeof size === "number");
  const pixels = sizes.length < 3 ? 3 * SIDE * SIDE : sizes.reduce((a, b) => a * b, 1);
  return ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 13 }],
    graph: {
      name: "tiny",
      input: [value("image", [batch, ...image], TensorProto.DataType[isUint8 ? "UINT8" : "FLOAT"])],
      output: [
        hasOnes ? value("ones", [batch, CLASSES, 1, 1]) : value("scores", [batch, CLASSES]),
        ...(hasLogits ? [value("logits", [batch, CLASSES])] : []),
      ],
      initializer: [
        floats("w", [pixels, CLASSES], weights(seed, pixels * CLASSES)),
        floats("b", [CLASSES], weights(seed + 1, CLASSES)),
        floats("threshold", [], Float32Array.of(whiteFrom)),
        {
          name: "huge",
          dims: [],
          dataType: TensorProto.DataType.INT64,
          rawData: new Uint8Array(BigInt64Array.of(trips).buffer),
        },
        {
          name: "least",
          dims: [],
          dataType: TensorProto.DataType.INT64,
          rawData: new Uint8Array(BigInt64Array.of(-(2n ** 63n)).buffer),
        },
        {
          name: "minusOne",
          dims: [],
          dataType: TensorProto.DataType.INT64,
          rawData: new Uint8Array(BigInt64Array.of(-1n).buffer),
        },
        {
          name: "behind",
          dims: [2],
          dataType: TensorProto.DataType.INT64,
          rawData: new Uint8Array(BigInt64Array.of(2n, 3n).buffer),
        },
      ],
      node: [
        { opType: "Cast", input: ["image"], output: ["floats"], attribute: [int("to", 1)] },
        { opType: "Flatten", input: ["floats"], output: ["flat"], attribute: [int("axis", 1)] },
        { opType: "Gemm", input: ["flat", "w", "b"], output: ["logits"] },
        ...behaviours[behaviour],
        ...(hasOnes
          ? [{ opType: "Unsqueeze", input: ["scores", "behind"], output: ["ones"] }]
          : []),
      ],
    },
  }).finish();
}

export function manifestOf(
  bytes: Uint8Array,
  change: Partial<ModelManifest> = {},
): ImageClassifier {
  return {
    format: 1,
    name: "tiny",
    sha256: createHash("sha256").update(bytes).digest("hex"),
    input: { name: "image", layout: "nchw", height: SIDE, width: SIDE },
    output: { name: "scores", classes: CLASSES, activation: "softmax" },
    preprocessing: {
      resize: "fill",
      channelOrder: "rgb",
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    },
    labels: [],
    topK: 3,
    source: "made by a test",
    ...change,
  };
}

/** Writes a network into a folder. */
export async function writeModel(
  folder: string,
  bytes: Uint8Array,
  change: Partial<ModelManifest> = {},
): Promise<LocalModel & { readonly manifest: ImageClassifier }> {
  const manifest = manifestOf(bytes, change);
  const path = join(folder, `${manifest.sha256}.onnx`);
  await writeFile(path, bytes);
  return { sha256: manifest.sha256, path, manifest };
}
