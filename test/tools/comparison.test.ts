/** The verification itself: it passes what is right and, which matters more, fails what is a little wrong. */
import test from "ava";
import { Random } from "../../src/lib/random.ts";
import { compare, type Differences, withinLimits } from "../../tools/models/comparison.ts";
import { convert } from "../../tools/models/convert.ts";
import { type KerasModel, readKeras } from "../../tools/models/keras.ts";
import { nsfwjsFiles } from "../../tools/models/nsfwjs.ts";
import { channelsFirst, unitRange } from "../../tools/models/pixels.ts";

const size = 224;
const original = await nsfwjsFiles("mobilenet_v2");
const keras = readKeras(original);
const random = new Random(1);
/** One image of 16-pixel squares of any colour. */
const image = squares();

function squares(): Float32Array {
  const colours = Array.from({ length: 14 * 14 * 3 }, () => random.between(0, 255));
  const pixels = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
    return colours[(Math.floor(y / 16) * 14 + Math.floor(x / 16)) * 3 + (i % 3)] ?? 0;
  });
  return unitRange(pixels);
}

function against(converted: KerasModel): Promise<Differences> {
  return compare({ original, onnx: convert(converted), images: [image], size });
}

test.serial("our MobileNet V2 agrees with TensorFlow.js to the rounding", async (t) => {
  const differences = await against(keras);
  t.true(withinLimits(differences), JSON.stringify(differences));
  t.true(differences.largestLogit > 1, "the image means something to the network");
});

test.serial("one epsilon of 52 doubled exceeds the limits", async (t) => {
  const name = "block_8_depthwise_BN";
  const layers = keras.layers.map((layer) =>
    layer.name === name ? { ...layer, config: { ...layer.config, epsilon: 2e-3 } } : layer,
  );
  t.is(keras.layers.find((layer) => layer.name === name)?.config.epsilon, 1e-3);
  const differences = await against({ ...keras, layers });
  t.false(withinLimits(differences), JSON.stringify(differences));
});

test.serial("two weights of one layer exchanged exceed the limits", async (t) => {
  const name = "dense_1/bias";
  const bias = keras.weights.get(name);
  if (bias === undefined) return t.fail();
  const [first = 0, second = 0, ...rest] = bias.values;
  t.not(first, second);
  const exchanged = { ...bias, values: Float32Array.of(second, first, ...rest) };
  const differences = await against({
    ...keras,
    weights: new Map([...keras.weights, [name, exchanged]]),
  });
  t.false(withinLimits(differences), JSON.stringify(differences));
});

test("a difference that is no number is outside the limits", (t) => {
  t.true(withinLimits({ probabilities: 1e-5, logits: 5e-5, largestLogit: 1 }));
  t.false(withinLimits({ probabilities: Number.NaN, logits: 0, largestLogit: 1 }));
  t.false(withinLimits({ probabilities: 0, logits: Number.NaN, largestLogit: 1 }));
});

test("channelsFirst gathers each channel", (t) => {
  t.deepEqual(channelsFirst(Float32Array.of(1, 2, 3, 4, 5, 6)), Float32Array.of(1, 4, 2, 5, 3, 6));
});
