/**
 * The one door to onnxruntime: a network's file becomes a function from a batch of images to scores.
 * It is checked against its manifest when opened, so that a wrong one is refused before any job uses it.
 */
import { readFileSync } from "node:fs";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import { imageInput, type Network, type NetworkOutput } from "../lib/network.ts";
import { sha256 } from "./input-file.ts";
import { checkSignature, type Signature, type TensorSignature } from "./model-signature.ts";
import { type Batch, batchOf } from "./preprocess.ts";
import type { ModelPlan, NetworkFile } from "./protocol.ts";

/** Of the native library. */
export const onnxruntimeVersion = env.versions.node ?? "unknown";

/** Why a model cannot be used; its message is for the person who added it. */
export class Unusable extends Error {
  override readonly name = "Unusable";
}

/** An open network. Never released: releasing and making sessions again leaks memory in onnxruntime. */
export class OnnxModel {
  readonly #session: InferenceSession;
  readonly #plan: ModelPlan;
  /** How many images one run may take: 1 if the network was exported for one only. */
  readonly maxBatch: number | undefined;

  private constructor(session: InferenceSession, plan: ModelPlan, maxBatch: number | undefined) {
    this.#session = session;
    this.#plan = plan;
    this.maxBatch = maxBatch;
  }

  /**
   * Reads, checks and warms the network: the first run is slow, and it shows what shapes alone cannot.
   * Blocks the thread.
   * @throws Unusable naming what does not fit
   */
  static async open(plan: ModelPlan, shape: readonly number[]): Promise<OnnxModel> {
    const session = await openSession(plan);
    const { maxBatch } = checkSignature(plan, signatureOf(session));
    const model = new OnnxModel(session, plan, maxBatch);
    await model.#warm(shape);
    return model;
  }

  /**
   * Scores of each image of the batch, one row per image, as a view that is valid until kept elsewhere.
   * @throws Error from onnxruntime, or when the answer has another size than the manifest says
   */
  async run(batch: Batch, shape: readonly number[]): Promise<Float32Array[]> {
    const { input, output } = this.#plan;
    const feeds = { [input.name]: tensorOf(batch, shape) };
    const answer = (await this.#session.run(feeds, [output.name]))[output.name];
    const [n = 0] = shape;
    const data = answer?.data;
    if (!(data instanceof Float32Array) || data.length !== n * output.classes)
      throw new Unusable(
        `output ${output.name} has ${data?.length ?? 0} values of ${answer?.type ?? "no type"} for ${n} image(s); ` +
          `the manifest says ${output.classes} float32 each`,
      );
    return Array.from({ length: n }, (_, i) =>
      data.subarray(i * output.classes, (i + 1) * output.classes),
    );
  }

  async #warm(shape: readonly number[]): Promise<void> {
    const zeros = batchOf(this.#plan.input.type, shape);
    let rows: Float32Array[];
    try {
      rows = await this.run(zeros, shape);
    } catch (cause) {
      if (cause instanceof Unusable) throw cause;
      throw new Unusable(`it fails on an image of zeros: ${text(cause)}`, { cause });
    }
    if (!rows.every((row) => row.every(Number.isFinite)))
      throw new Unusable("its answer to an image of zeros is not finite");
  }
}

/**
 * What a network says of itself, and what it answers to an image of zeros where it takes one. Blocks the thread.
 * @throws Unusable when the file cannot be opened
 */
export async function inspectNetwork(file: NetworkFile): Promise<Network> {
  const session = await openSession(file);
  const { inputs, outputs } = signatureOf(session);
  const declared = {
    inputs: inputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    outputs: outputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
  };
  const image = imageInput(declared.inputs, file);
  if (image.kind === "unusable") return { ...declared, notRun: image.why };
  if (image.kind === "untold") return { ...declared, notRun: `not told: ${image.gaps.join(", ")}` };
  const { layout, channels, height, width, type } = image;
  const shape = layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels];
  const zeros = batchOf(type === "uint8" ? type : undefined, shape);
  let answers: InferenceSession.OnnxValueMapType;
  try {
    answers = await session.run({ [image.name]: tensorOf(zeros, shape) });
  } catch (error) {
    return { ...declared, notRun: `it fails on an image of zeros: ${text(error)}` };
  }
  return {
    inputs: declared.inputs,
    outputs: declared.outputs.map((output) => {
      const answer = answers[output.name];
      return answer instanceof Tensor ? { ...output, ...answered(answer) } : output;
    }),
  };
}

function answered({ dims, data }: Tensor): Pick<NetworkOutput, "shape" | "values"> {
  const shape = [...dims];
  if (!(data instanceof Float32Array) || data.length === 0 || !data.every(Number.isFinite))
    return { shape };
  const values = { least: data[0] ?? 0, greatest: data[0] ?? 0, sum: 0 };
  for (const value of data) {
    values.least = Math.min(values.least, value);
    values.greatest = Math.max(values.greatest, value);
    values.sum += value;
  }
  return { shape, values };
}

async function openSession(file: Pick<ModelPlan, "path" | "sha256">): Promise<InferenceSession> {
  const bytes = readModel(file);
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      // One thread a slot: onnxruntime's own threads would oversubscribe the machine and spin.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      // Errors only: its warnings about a user's model are of no use to an operator.
      logSeverityLevel: 3,
    });
  } catch (cause) {
    throw new Unusable(`onnxruntime cannot load the file: ${text(cause)}`, { cause });
  }
}

function readModel({ path, sha256: expected }: Pick<ModelPlan, "path" | "sha256">): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Unusable(`its file cannot be read: ${text(cause)}`, { cause });
  }
  const actual = sha256(bytes);
  if (actual !== expected)
    throw new Unusable(`${path} hashes to ${actual}, not to ${expected}: fetch it again`);
  return bytes;
}

function tensorOf(batch: Batch, shape: readonly number[]): Tensor {
  return batch instanceof Uint8Array
    ? new Tensor("uint8", batch, shape)
    : new Tensor("float32", batch, shape);
}

function signatureOf(session: InferenceSession): Signature {
  const tensor = (value: InferenceSession.ValueMetadata): TensorSignature =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: value.shape }
      : { name: value.name, type: "no tensor", shape: [] };
  return {
    inputs: session.inputMetadata.map(tensor),
    outputs: session.outputMetadata.map(tensor),
  };
}

export function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
