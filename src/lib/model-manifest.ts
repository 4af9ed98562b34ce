/**
 * What IDunno must know about an ONNX network to feed it and to read its answer. It lies beside
 * the `.onnx` file as `NAME.json`, is pinned by every job that uses the model, and decides result bytes:
 * so every number in it counts, and none has a default here.
 *
 * A network takes images (`input` and `preprocessing`) or arrays (`inputs`), and gives scores of classes (`output` and `topK`) or
 * arrays (`outputs`). Which of them go together is said in model-io.ts.
 */
import { type Static, Type } from "./schema.ts";
import { tensorLimits } from "./tensors.ts";

/**
 * How a decoded image becomes the input tensor. Channels come as sRGB bytes `v` (0 to 255);
 * each becomes `(v * scale - mean[c]) / std[c]` in float32, `c` in the order of `channelOrder`. A uint8 input gets the
 * bytes themselves: its scale is 1, its means are 0 and its standard deviations 1.
 */
export const Preprocessing = Type.Object(
  {
    /**
     * `fill` stretches to height × width; `fit-left` keeps the aspect ratio, aligns left, pads with 0 *after* normalising;
     * `crop` keeps the aspect ratio, brings the short side to `shortSide`, and cuts height × width out of the middle.
     */
    resize: Type.Union([Type.Literal("fill"), Type.Literal("fit-left"), Type.Literal("crop")]),
    /** `grey`: one channel, the luma of ITU-R 601 as PIL computes it; the first of `mean` and `std` count. */
    channelOrder: Type.Union([Type.Literal("rgb"), Type.Literal("bgr"), Type.Literal("grey")]),
    scale: Type.Number(),
    mean: Type.Tuple([Type.Number(), Type.Number(), Type.Number()]),
    std: Type.Tuple([Type.Number(), Type.Number(), Type.Number()]),
    /** Only of `crop`: what the short side of the box with the input's proportions becomes, in pixels. Default: the input's own. */
    shortSide: Type.Optional(Type.Integer({ minimum: 1, maximum: 8192 })),
  },
  { additionalProperties: false },
);
export type Preprocessing = Static<typeof Preprocessing>;

const TensorType = Type.Union([
  Type.Literal("float32"),
  Type.Literal("float64"),
  Type.Literal("int32"),
  Type.Literal("int64"),
  Type.Literal("uint8"),
  Type.Literal("bool"),
]);

/** One row: the network's own shape is [N, …shape], where N is free or 1. */
const RowTensor = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: tensorLimits.name }),
    type: TensorType,
    shape: Type.Array(Type.Integer({ minimum: 1, maximum: tensorLimits.queryBytes }), {
      maxItems: tensorLimits.dimensions,
    }),
  },
  { additionalProperties: false },
);
const RowTensors = Type.Array(RowTensor, { minItems: 1, maxItems: tensorLimits.tensors });

const ImageTensor = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    layout: Type.Union([Type.Literal("nchw"), Type.Literal("nhwc")]),
    height: Type.Integer({ minimum: 1, maximum: 4096 }),
    width: Type.Integer({ minimum: 1, maximum: 4096 }),
    /** Of its values. Default: float32. */
    type: Type.Optional(Type.Literal("uint8")),
  },
  { additionalProperties: false },
);
export type ImageTensor = Static<typeof ImageTensor>;

const Scores = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    classes: Type.Integer({ minimum: 1, maximum: 65_536 }),
    activation: Type.Union([Type.Literal("none"), Type.Literal("softmax")]),
  },
  { additionalProperties: false },
);
export type Scores = Static<typeof Scores>;

export const ModelManifest = Type.Object(
  {
    format: Type.Literal(1),
    /** `[a-z0-9][a-z0-9._-]{0,63}` */
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" }),
    /** SHA-256 of the .onnx file, lower-case hex. */
    sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    /** Shape is [N, C, height, width] for `nchw`, [N, height, width, C] for `nhwc`; C is 3, or 1 for `grey`; N is free or 1. */
    input: Type.Optional(ImageTensor),
    /** Shape is [N, classes], or that with ones behind it; float32. `softmax` is applied by IDunno when the network ends in logits. */
    output: Type.Optional(Scores),
    /** Of images only. */
    preprocessing: Type.Optional(Preprocessing),
    /** One label per class, or none: then the class number is the label. */
    labels: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 65_536 }),
    /** How many of the best classes a result names. */
    topK: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    /** Where the weights come from and under which licence, for people. */
    source: Type.String({ maxLength: 1024 }),
    /** In place of `input`: arrays, which come as `.npy` and `.npz` files. All inputs that the network has. */
    inputs: Type.Optional(RowTensors),
    /** In place of `output`: what is kept of what the network gives, as it is. In the order of the files. */
    outputs: Type.Optional(RowTensors),
  },
  { additionalProperties: false },
);
export type ModelManifest = Static<typeof ModelManifest>;

/** Of a network that takes images and gives scores of classes. */
export type ImageClassifier = ModelManifest &
  Required<Pick<ModelManifest, "input" | "output" | "preprocessing" | "topK">>;
