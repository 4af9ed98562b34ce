/**
 * Runs a Keras model in TensorFlow.js itself, from the very files nsfwjs ships: the other opinion against
 * which our conversion is checked. The one door to TensorFlow.js. Its wasm backend is used because the one
 * in plain JavaScript needs half a minute an image; on one thread, since ours has one as well.
 */
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { type LayersModel, loadLayersModel, model } from "@tensorflow/tfjs-layers";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { KerasFiles } from "./keras.ts";
import { parseModelJson } from "./keras-format.ts";

/** What a classifier says of one image. Softmax makes the probabilities from the logits. */
export interface Answer {
  readonly probabilities: Float32Array;
  readonly logits: Float32Array;
}

export class TensorflowModel {
  readonly #original: LayersModel;
  /** The same graph with a second output: what the last layer takes. */
  readonly #opened: LayersModel;

  private constructor(original: LayersModel, opened: LayersModel) {
    this.#original = original;
    this.#opened = opened;
  }

  static async open({ name, modelJson, weightData }: KerasFiles): Promise<TensorflowModel> {
    setThreadsCount(1);
    if (!(await tf.setBackend("wasm")))
      throw new IDunnoError("INTERNAL", { message: "TensorFlow.js has no wasm backend here" });
    const { modelTopology, weightsManifest } = parseModelJson(modelJson);
    const original = await loadLayersModel(
      tf.io.fromMemory({
        modelTopology,
        weightSpecs: weightsManifest.flatMap((group) => group.weights),
        weightData: new Uint8Array(weightData).buffer,
      }),
    );
    const features = original.layers.at(-1)?.input;
    if (features === undefined || Array.isArray(features) || Array.isArray(original.output))
      throw new IDunnoError("BAD_MODEL", { model: name, why: "it has not one last layer" });
    const opened = model({ inputs: original.inputs, outputs: [original.output, features] });
    return new TensorflowModel(original, opened);
  }

  /** @param nhwc one image, height × width × 3 */
  run(nhwc: Float32Array, height: number, width: number): Answer {
    return tf.tidy(() => {
      const outputs = this.#opened.predict(tf.tensor4d(nhwc, [1, height, width, 3]));
      const [probabilities, features] = Array.isArray(outputs) ? outputs : [outputs];
      const [kernel, bias] = this.#original.layers.at(-1)?.getWeights() ?? [];
      if (!probabilities || !features || !kernel || !bias)
        throw new IDunnoError("INTERNAL", { message: "the last layer is not a dense one" });
      // What a dense layer does before its activation.
      const logits = tf.add(tf.matMul(features, kernel), bias);
      return { probabilities: floats(probabilities), logits: floats(logits) };
    });
  }

  close(): void {
    // The other model has the same layers and weights.
    this.#original.dispose();
  }
}

function floats(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}
