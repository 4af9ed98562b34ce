/**
 * Turns a Keras layers model that ends in a softmax (NHWC) into ONNX (NCHW). Kernels are transposed once,
 * here; the one place where the layout shows is Flatten, which must see the values in Keras' order.
 *
 * The graph has two outputs: `probs`, which is the model's answer, and `logits`, from which softmax makes
 * it and which therefore show differences that softmax flattens (`npm run models:verify` compares both).
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import type { KerasModel, Weight } from "./keras.ts";
import type { Layer, LayerConfig } from "./keras-format.ts";
import { OnnxWriter } from "./onnx-writer.ts";
import { transpose } from "./transpose.ts";

/** The names by which a manifest, and the verification, ask for tensors of a converted model. */
export const tensorNames = { input: "input", probabilities: "probs", logits: "logits" } as const;

/** One layer on its way into ONNX. */
interface Step {
  readonly out: OnnxWriter;
  readonly layer: Layer;
  /** The names of the tensors it takes. */
  readonly inputs: readonly string[];
  /** The first of them, for the many layers that take one. */
  readonly x: string;
  /** How the tensor it makes is to be called. */
  readonly output: string;
  readonly weights: ReadonlyMap<string, Weight>;
}

/**
 * The bytes of the ONNX file: input [N, 3, height, width], outputs `probs` and `logits` [N, classes].
 * @throws BAD_MODEL naming the layer, when the model has one that this converter does not know
 */
export function convert(model: KerasModel): Uint8Array {
  const out = new OnnxWriter();
  const made = new Map<string, string>();
  const outputs: string[] = [];
  for (const layer of model.layers) {
    const inputs = (layer.inbound_nodes[0] ?? []).map(
      ([from]) => made.get(from) ?? fail(layer, `it takes ${from}, which no earlier layer makes`),
    );
    const step = { out, inputs, x: inputs[0] ?? "", weights: model.weights };
    if (layer.name === model.outputLayer) outputs.push(answer({ ...step, layer, output: "" }));
    else made.set(layer.name, emit({ ...step, layer, output: layer.name }));
  }
  const [first] = model.layers;
  const [, height, width] = first?.config.batch_input_shape ?? [];
  const classes = model.weights.get(`${model.outputLayer}/bias`)?.values.length;
  if (height === undefined || width === undefined || classes === undefined || outputs.length !== 1)
    throw new IDunnoError("BAD_MODEL", {
      model: model.name,
      why: "it does not begin with an InputLayer of images and end with one Dense layer",
    });
  const { input, probabilities, logits } = tensorNames;
  return out.encode(
    model.name,
    [{ name: input, shape: ["N", 3, height, width] }],
    [probabilities, logits].map((name) => ({ name, shape: ["N", classes] })),
  );
}

/** The last layer, taken apart into its linear part and its softmax, so that both are outputs. */
function answer(step: Step): string {
  const { layer, out } = step;
  if (layer.class_name !== "Dense" || layer.config.activation !== "softmax")
    return fail(layer, "only a Dense layer with softmax can be the last");
  const linear = { ...layer, config: { ...layer.config, activation: "linear" } };
  const logits = emit({ ...step, layer: linear, output: tensorNames.logits });
  return out.node("Softmax", [logits], tensorNames.probabilities, { axis: 1 });
}

function emit(step: Step): string {
  const { class_name } = step.layer;
  const emitter = emitters[class_name] ?? fail(step.layer, "no ONNX operator is known for it");
  return emitter(step);
}

const emitters: Readonly<Record<string, (step: Step) => string>> = {
  InputLayer: () => tensorNames.input,
  Conv2D: (step) => {
    const kernel = transpose(weight(step, "kernel"), [3, 2, 0, 1]);
    return convolution(step, kernel, 1);
  },
  DepthwiseConv2D: (step) => {
    const kernel = transpose(weight(step, "depthwise_kernel"), [2, 3, 0, 1]);
    return convolution(step, kernel, kernel.shape[0] ?? 1);
  },
  BatchNormalization: batchNormalization,
  Activation: (step) => activation(step, step.x),
  ReLU: ({ out, layer: { name, config }, x, output }) => {
    if (typeof config.max_value !== "number") return out.node("Relu", [x], output);
    const low = out.floats(`${name}/min`, [], Float32Array.of(0));
    const high = out.floats(`${name}/max`, [], Float32Array.of(config.max_value));
    return out.node("Clip", [x, low, high], output);
  },
  ZeroPadding2D: ({ out, layer, x, output }) => {
    const { padding } = layer.config;
    if (typeof padding !== "object") return fail(layer, "its padding is not two pairs");
    const [[top, bottom], [left, right]] = padding;
    const pads = out.int64s(`${layer.name}/pads`, [0, 0, top, left, 0, 0, bottom, right]);
    return out.node("Pad", [x, pads], output);
  },
  MaxPooling2D: (step) => pooling(step, "MaxPool"),
  AveragePooling2D: (step) => pooling(step, "AveragePool"),
  Concatenate: ({ out, inputs, output }) => out.node("Concat", inputs, output, { axis: 1 }),
  Add: ({ out, inputs, output }) => out.node("Add", inputs, output),
  Flatten: ({ out, layer, x, output }) => {
    const nhwc = out.node("Transpose", [x], `${layer.name}/nhwc`, { perm: [0, 2, 3, 1] });
    return out.node("Flatten", [nhwc], output, { axis: 1 });
  },
  // Dropout does something only in training.
  Dropout: ({ x }) => x,
  Dense: (step) => {
    const parameters = [constant(step, "kernel"), ...bias(step)];
    return activation(step, step.out.node("Gemm", [step.x, ...parameters], beforeActivation(step)));
  },
};

function convolution(step: Step, kernel: Weight, group: number): string {
  const { out, layer, x } = step;
  const name = out.floats(`${layer.name}/kernel`, kernel.shape, kernel.values);
  const sums = out.node("Conv", [x, name, ...bias(step)], beforeActivation(step), {
    strides: setting(layer, "strides"),
    dilations: setting(layer, "dilation_rate"),
    kernel_shape: setting(layer, "kernel_size"),
    group,
    auto_pad: padding(layer),
  });
  return activation(step, sums);
}

function batchNormalization(step: Step): string {
  const { out, layer, x, output, weights } = step;
  const { shape, values } = weight(step, "moving_variance");
  // `center: false` and `scale: false` leave beta or gamma out; ONNX wants both.
  const either = (suffix: string, neutral: number): string =>
    weights.has(`${layer.name}/${suffix}`)
      ? constant(step, suffix)
      : out.floats(`${layer.name}/${suffix}`, shape, new Float32Array(values.length).fill(neutral));
  const scale = either("gamma", 1);
  const shift = either("beta", 0);
  return out.node(
    "BatchNormalization",
    [x, scale, shift, constant(step, "moving_mean"), constant(step, "moving_variance")],
    output,
    { epsilon: { float: setting(layer, "epsilon") } },
  );
}

/** Averages leave padding out in Keras; so they do in ONNX, by default. */
function pooling({ out, layer, x, output }: Step, operator: string): string {
  return out.node(operator, [x], output, {
    kernel_shape: setting(layer, "pool_size"),
    strides: setting(layer, "strides"),
    auto_pad: padding(layer),
  });
}

/** Keras puts the odd row or column of `same` padding at the end, which ONNX calls SAME_UPPER. */
function padding(layer: Layer): string {
  const kinds = { same: "SAME_UPPER", valid: "VALID" };
  const kind = setting(layer, "padding");
  return typeof kind === "string"
    ? kinds[kind]
    : fail(layer, "its padding is neither same nor valid");
}

/** Applies the activation that the layer's settings name, if it does anything. */
function activation({ out, layer, output }: Step, x: string): string {
  switch (layer.config.activation ?? "linear") {
    case "linear":
      return x;
    case "relu":
      return out.node("Relu", [x], output);
    default:
      return fail(layer, `no ONNX operator is known for the activation ${layer.config.activation}`);
  }
}

/** The name for a layer's sums: its own when no activation follows, which would take that name. */
function beforeActivation({ layer, output }: Step): string {
  return (layer.config.activation ?? "linear") === "linear" ? output : `${output}/linear`;
}

function bias(step: Step): readonly string[] {
  return step.layer.config.use_bias === true ? [constant(step, "bias")] : [];
}

function constant(step: Step, suffix: string): string {
  const { shape, values } = weight(step, suffix);
  return step.out.floats(`${step.layer.name}/${suffix}`, shape, values);
}

function weight({ layer, weights }: Step, suffix: string): Weight {
  return weights.get(`${layer.name}/${suffix}`) ?? fail(layer, `its weight ${suffix} is missing`);
}

function setting<K extends keyof LayerConfig>(layer: Layer, key: K): NonNullable<LayerConfig[K]> {
  return layer.config[key] ?? fail(layer, `its setting ${key} is missing`);
}

function fail(layer: Layer, why: string): never {
  throw new IDunnoError("BAD_MODEL", { model: `layer ${layer.name} (${layer.class_name})`, why });
}
