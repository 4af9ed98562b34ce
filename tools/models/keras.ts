/**
 * Reads a Keras layers model as TensorFlow.js stores it: a topology in JSON, and weights as bytes that may
 * be quantised. The weights come back as the float32 numbers TensorFlow.js itself would use.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import { type Layer, parseModelJson, type WeightSpec } from "./keras-format.ts";

/** A model as it is delivered: the parsed `model.json` and all weight shards, one after the other. */
export interface KerasFiles {
  readonly name: string;
  readonly modelJson: unknown;
  readonly weightData: Uint8Array;
}

/** A tensor in row-major order. */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface KerasModel {
  readonly name: string;
  /** In an order in which every layer comes after its inputs. */
  readonly layers: readonly Layer[];
  readonly outputLayer: string;
  /** By name: `conv2d_1/kernel`. */
  readonly weights: ReadonlyMap<string, Weight>;
}

/**
 * Checks the files and dequantises the weights.
 * @throws MALFORMED when the topology has another form, or the bytes are not those the topology announces
 */
export function readKeras({ name, modelJson, weightData }: KerasFiles): KerasModel {
  const { modelTopology, weightsManifest } = parseModelJson(modelJson);
  const { layers, output_layers } = modelTopology.model_config.config;
  const specs = weightsManifest.flatMap((group) => group.weights);
  const expectedBytes = specs.reduce((sum, spec) => sum + byteLength(spec), 0);
  if (expectedBytes !== weightData.length)
    throw new IDunnoError("MALFORMED", {
      path: `weights of ${name}`,
      expected: `${expectedBytes} bytes, not ${weightData.length}`,
    });
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const spec of specs) {
    const end = offset + byteLength(spec);
    // A copy, because a typed array needs an aligned start.
    const raw = new Uint8Array(weightData.subarray(offset, end));
    weights.set(spec.name, { shape: spec.shape, values: dequantise(raw, spec) });
    offset = end;
  }
  return { name, layers, outputLayer: output_layers[0][0], weights };
}

function byteLength({ shape, quantization }: WeightSpec): number {
  const widths = { float32: 4, uint16: 2, uint8: 1 };
  return shape.reduce((product, size) => product * size, widths[quantization?.dtype ?? "float32"]);
}

/** In float64, rounded once to float32, as TensorFlow.js does: any other order gives other last bits. */
function dequantise(raw: Uint8Array<ArrayBuffer>, { quantization }: WeightSpec): Float32Array {
  if (quantization === undefined) return new Float32Array(raw.buffer);
  const { dtype, scale, min } = quantization;
  const codes = dtype === "uint8" ? raw : new Uint16Array(raw.buffer);
  const values = new Float32Array(codes.length);
  // A plain loop: `Float32Array.from` with a function takes ten times as long.
  for (const [i, code] of codes.entries()) values[i] = code * scale + min;
  return values;
}
