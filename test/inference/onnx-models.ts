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
import { asTheyAre } from "../lib/manifests.ts";
import { floats, idleLoop, int, value, wholes } from "../../tools/models/odd-nodes.ts";

const { AttributeProto, ModelProto, TensorProto } = proto.onnx;
type Node = proto.onnx.INodeProto;

export const SIDE = 16;
export const CLASSES = 7;

/**
 * What a network does on an image with a white pixel: nothing special, loop for ever, divide by 0, or divide the least
 * whole number by -1, which ends the process where processors trap it (x86: SIGFPE).
 */
export type Behaviour = "plain" | "hangs-on-white" | "infinite-on-white" | "aborts-on-white";

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
    idleLoop({ trips: "trips", input: "logits", output: "scores" }, (name) =>
      value(name, ["N", CLASSES]),
    ),
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
        wholes("huge", [], trips),
        wholes("least", [], -(2n ** 63n)),
        wholes("minusOne", [], -1n),
        wholes("behind", [2], 2n, 3n),
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
    preprocessing: { ...asTheyAre, scale: 1 / 255 },
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
