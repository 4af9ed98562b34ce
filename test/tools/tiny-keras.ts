/**
 * Made-up Keras models of a few numbers, in the very form TensorFlow.js stores. They end in Flatten and a
 * Dense layer that changes nothing, so that the logits are the tensor in question, in Keras' order.
 */
import type { KerasFiles } from "../../tools/models/keras.ts";

export interface TinyLayer {
  readonly class_name: string;
  readonly name: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Names of layers; "image" is the input. */
  readonly from: readonly string[];
}

export interface TinyWeight {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export interface TinyModel {
  readonly height: number;
  readonly width: number;
  readonly layers: readonly TinyLayer[];
  readonly weights?: Readonly<Record<string, TinyWeight>>;
  /** How many values the last of the layers gives. */
  readonly values: number;
}

/** The model with everything round it that makes it a classifier. */
export function tinyKeras({ height, width, layers, weights = {}, values }: TinyModel): KerasFiles {
  const identity = Array.from({ length: values * values }, (_, i) =>
    Math.floor(i / values) === i % values ? 1 : 0,
  );
  return kerasFiles(
    [
      {
        class_name: "InputLayer",
        name: "image",
        config: { batch_input_shape: [null, height, width, 3] },
        from: [],
      },
      ...layers,
      { class_name: "Flatten", name: "flat", from: [layers.at(-1)?.name ?? "image"] },
      {
        class_name: "Dense",
        name: "answer",
        config: { activation: "softmax", use_bias: true },
        from: ["flat"],
      },
    ],
    {
      ...weights,
      "answer/kernel": { shape: [values, values], values: identity },
      "answer/bias": { shape: [values], values: Array.from({ length: values }, () => 0) },
    },
  );
}

/** The layers as they are, the last being the output; weights as plain float32. */
export function kerasFiles(
  layers: readonly TinyLayer[],
  weights: Readonly<Record<string, TinyWeight>>,
): KerasFiles {
  const specs = Object.entries(weights).map(([name, { shape }]) => ({
    name,
    shape,
    dtype: "float32",
  }));
  const numbers = Float32Array.from(Object.values(weights).flatMap(({ values }) => values));
  return {
    name: "tiny",
    modelJson: modelJson(layers, specs),
    weightData: new Uint8Array(numbers.buffer),
  };
}

/** A `model.json`. */
export function modelJson(layers: readonly TinyLayer[], weights: readonly object[]): unknown {
  return {
    modelTopology: {
      model_config: {
        config: {
          layers: layers.map(({ class_name, name, config = {}, from }) => ({
            class_name,
            name,
            config,
            inbound_nodes: from.length === 0 ? [] : [from.map((source) => [source, 0, 0, {}])],
          })),
          output_layers: [[layers.at(-1)?.name, 0, 0]],
        },
      },
    },
    weightsManifest: [{ weights }],
  };
}
