/** Each Keras layer the converter knows, on numbers small enough to follow by hand. */
import test from "ava";
import { convert } from "../../tools/models/convert.ts";
import { readKeras } from "../../tools/models/keras.ts";
import { OnnxSession, type Tensor } from "../../tools/models/onnx-session.ts";
import { channelsFirst } from "../../tools/models/pixels.ts";
import { kerasFiles, tinyKeras, type TinyLayer, type TinyModel } from "./tiny-keras.ts";

async function run(
  model: TinyModel,
  image: readonly number[],
  outputs = ["logits"],
): Promise<readonly Tensor[]> {
  const session = await OnnxSession.open(convert(readKeras(tinyKeras(model))));
  const values = channelsFirst(Float32Array.from(image));
  try {
    return await session.run({ shape: [1, 3, model.height, model.width], values }, outputs);
  } finally {
    await session.close();
  }
}

function conv(config: Readonly<Record<string, unknown>>): TinyLayer {
  return { class_name: "Conv2D", name: "c", config: { ...plain, ...config }, from: ["image"] };
}

/** Windows of one by two pixels. */
function pool(class_name: string, padding: string, strides: readonly number[]): TinyLayer {
  return {
    class_name,
    name: "p",
    config: { pool_size: [1, 2], padding, strides },
    from: ["image"],
  };
}

interface Case extends TinyModel {
  readonly title: string;
  /** Height × width × 3, as Keras sees it. */
  readonly image: readonly number[];
  readonly logits: readonly number[];
}

const twoPixels = [1, 2, 3, 4, 5, 6];
/** Four pixels in a row, of which only red is lit. */
const redRow = [1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0];
/** Sees red only: one channel of kernel weights into one filter. */
const redKernel = (weights: readonly number[]): number[] => weights.flatMap((w) => [w, 0, 0]);
const plain = { strides: [1, 1], dilation_rate: [1, 1], activation: "linear", use_bias: false };
const normalisation: TinyLayer = {
  class_name: "BatchNormalization",
  name: "n",
  config: { epsilon: 1, axis: 3 },
  from: ["image"],
};
const wide = { height: 1, width: 2, image: twoPixels };

const cases: readonly Case[] = [
  {
    title: "Flatten keeps the order of Keras: pixel by pixel, not channel by channel",
    ...wide,
    layers: [],
    values: 6,
    logits: twoPixels,
  },
  {
    title: "Conv2D multiplies each weight with its own pixel and channel",
    ...wide,
    layers: [conv({ kernel_size: [1, 2], padding: "valid" })],
    weights: { "c/kernel": { shape: [1, 2, 3, 1], values: [1, 10, 100, 1000, 10_000, 100_000] } },
    values: 1,
    logits: [654_321],
  },
  {
    title: "Conv2D adds the bias of each filter and then applies relu",
    ...wide,
    layers: [conv({ kernel_size: [1, 1], padding: "valid", use_bias: true, activation: "relu" })],
    weights: {
      // Filter 0 takes red; filter 1 takes minus green.
      "c/kernel": { shape: [1, 1, 3, 2], values: [1, 0, 0, -1, 0, 0] },
      "c/bias": { shape: [2], values: [-3, 4] },
    },
    values: 4,
    logits: [0, 2, 1, 0],
  },
  {
    title: "padding `same` with stride 2 on an even width puts the odd column at the end",
    height: 1,
    width: 4,
    image: redRow,
    layers: [conv({ kernel_size: [1, 3], strides: [1, 2], padding: "same" })],
    weights: { "c/kernel": { shape: [1, 3, 3, 1], values: redKernel([1, 10, 100]) } },
    values: 2,
    logits: [321, 43],
  },
  {
    title: "a dilated Conv2D leaves pixels out",
    height: 1,
    width: 4,
    image: redRow,
    layers: [conv({ kernel_size: [1, 2], dilation_rate: [1, 2], padding: "valid" })],
    weights: { "c/kernel": { shape: [1, 2, 3, 1], values: redKernel([1, 10]) } },
    values: 2,
    logits: [31, 42],
  },
  {
    title: "DepthwiseConv2D keeps the channels apart",
    ...wide,
    layers: [
      {
        class_name: "DepthwiseConv2D",
        name: "c",
        config: { ...plain, kernel_size: [1, 2], padding: "valid", depth_multiplier: 1 },
        from: ["image"],
      },
    ],
    weights: {
      "c/depthwise_kernel": { shape: [1, 2, 3, 1], values: [1, 10, 100, 2, 20, 200] },
    },
    values: 3,
    logits: [1 + 8, 20 + 100, 300 + 1200],
  },
  {
    title: "BatchNormalization divides by the root of variance plus epsilon",
    ...wide,
    layers: [normalisation],
    weights: {
      "n/gamma": { shape: [3], values: [2, 1, 1] },
      "n/beta": { shape: [3], values: [0, 5, 0] },
      "n/moving_mean": { shape: [3], values: [1, 2, 4] },
      "n/moving_variance": { shape: [3], values: [3, 3, 8] },
    },
    values: 6,
    logits: [0, 5, -1 / 3, 3, 6.5, 2 / 3],
  },
  {
    title: "BatchNormalization without gamma and beta only normalises",
    ...wide,
    layers: [normalisation],
    weights: {
      "n/moving_mean": { shape: [3], values: [1, 2, 3] },
      "n/moving_variance": { shape: [3], values: [3, 3, 8] },
    },
    values: 6,
    logits: [0, 0, 0, 1.5, 1.5, 1],
  },
  {
    title: "an average of padding `same` counts the pixels only",
    ...wide,
    layers: [pool("AveragePooling2D", "same", [1, 1])],
    values: 6,
    logits: [2.5, 3.5, 4.5, 4, 5, 6],
  },
  {
    title: "MaxPooling2D takes the largest of each window",
    height: 1,
    width: 4,
    image: [1, 9, 3, 4, 5, 6, 7, 8, 0, 2, 9, 1],
    layers: [pool("MaxPooling2D", "valid", [1, 2])],
    values: 6,
    logits: [4, 9, 6, 7, 9, 1],
  },
  {
    title: "ZeroPadding2D pads top, bottom, left and right, each by its own number",
    height: 1,
    width: 1,
    image: [7, 8, 9],
    layers: [
      {
        class_name: "ZeroPadding2D",
        name: "z",
        config: {
          padding: [
            [0, 1],
            [1, 0],
          ],
        },
        from: ["image"],
      },
    ],
    values: 12,
    logits: [0, 0, 0, 7, 8, 9, 0, 0, 0, 0, 0, 0],
  },
  {
    title: "ReLU cuts at zero and at its largest value",
    height: 1,
    width: 1,
    image: [-1, 5, 7],
    layers: [{ class_name: "ReLU", name: "r", config: { max_value: 6 }, from: ["image"] }],
    values: 3,
    logits: [0, 5, 6],
  },
  {
    title: "ReLU without a largest value cuts at zero only",
    height: 1,
    width: 1,
    image: [-1, 5, 7],
    layers: [{ class_name: "ReLU", name: "r", config: { max_value: null }, from: ["image"] }],
    values: 3,
    logits: [0, 5, 7],
  },
  {
    title: "Add adds, Activation applies, and Dropout does nothing",
    height: 1,
    width: 1,
    image: [-1, 5, 7],
    layers: [
      { class_name: "Activation", name: "a", config: { activation: "relu" }, from: ["image"] },
      { class_name: "Dropout", name: "d", from: ["a"] },
      { class_name: "Add", name: "sum", from: ["image", "d"] },
    ],
    values: 3,
    logits: [-1, 10, 14],
  },
  {
    title: "Concatenate joins the channels of each pixel",
    ...wide,
    layers: [
      { class_name: "Activation", name: "a", config: { activation: "linear" }, from: ["image"] },
      { class_name: "Concatenate", name: "both", config: { axis: 3 }, from: ["image", "a"] },
    ],
    values: 12,
    logits: [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
  },
];

for (const { title, image, logits, ...model } of cases)
  test(title, async (t) => {
    const [got] = await run(model, image);
    t.deepEqual(got?.shape, [1, logits.length]);
    for (const [i, value] of logits.entries()) {
      const difference = Math.abs((got?.values[i] ?? NaN) - value);
      t.true(difference < 1e-6, `value ${i} is ${got?.values[i]}, not ${value}`);
    }
  });

test("probs is the softmax of logits", async (t) => {
  const model = { height: 1, width: 1, layers: [], values: 3 };
  const [probs, logits] = await run(model, [0, Math.log(2), Math.log(5)], ["probs", "logits"]);
  t.deepEqual(
    [...(logits?.values ?? [])].map((x) => Math.round(Math.exp(x))),
    [1, 2, 5],
  );
  for (const [i, p] of [0.125, 0.25, 0.625].entries())
    t.true(Math.abs((probs?.values[i] ?? NaN) - p) < 1e-6);
});

test("the batch size is free", async (t) => {
  const model = { height: 1, width: 1, layers: [], values: 3 };
  const session = await OnnxSession.open(convert(readKeras(tinyKeras(model))));
  const values = Float32Array.of(1, 2, 3, 4, 5, 6);
  const [logits] = await session.run({ shape: [2, 3, 1, 1], values }, ["logits"]);
  t.deepEqual(logits, { shape: [2, 3], values });
  await session.close();
});

test("equal models give equal bytes", (t) => {
  const three = { shape: [3], values: [1, 2, 3] };
  const weights = { "n/moving_mean": three, "n/moving_variance": three };
  const model = tinyKeras({ height: 2, width: 3, layers: [normalisation], values: 18, weights });
  t.deepEqual(convert(readKeras(model)), convert(readKeras(model)));
});

test("a layer the converter does not know is refused by name", (t) => {
  const layers = [{ class_name: "PReLU", name: "odd", from: ["image"] }];
  const model = readKeras(tinyKeras({ height: 1, width: 1, layers, values: 3 }));
  const error = t.throws(() => convert(model));
  t.like(error, { code: "BAD_MODEL" });
  t.regex(error?.message ?? "", /odd \(PReLU\)/);
});

test("a missing weight is refused by name", (t) => {
  const layers = [normalisation];
  const model = readKeras(tinyKeras({ height: 1, width: 1, layers, values: 3 }));
  t.throws(() => convert(model), { message: /layer n .* moving_variance is missing/ });
});

test("a model that does not end in softmax is refused", (t) => {
  const image = { batch_input_shape: [null, 1, 1, 3] };
  const model = kerasFiles(
    [
      { class_name: "InputLayer", name: "image", config: image, from: [] },
      { class_name: "Flatten", name: "flat", from: ["image"] },
    ],
    {},
  );
  t.throws(() => convert(readKeras(model)), { message: /only a Dense layer with softmax/ });
});
