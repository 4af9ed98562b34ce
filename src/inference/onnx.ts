/**
 * The one door to onnxruntime: a network's file becomes a function from a run's tensors to rows of answers.
 * It is checked against its manifest when opened, so that a wrong one is refused before any job uses it.
 */
import { readFileSync } from "node:fs";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import { imageInput, type Network, type NetworkOutput, rowsOf } from "../lib/network.ts";
import { sha256 } from "./input-file.ts";
import { checkSignature, type Signature, type TensorSignature } from "./model-signature.ts";
import {
  bytesOfRow,
  describeRows,
  type RowTensor,
  tensorLimits,
  valuesOfRow,
} from "../lib/tensors.ts";
import type { ModelPlan, NetworkFile } from "./protocol.ts";
import { type Feed, isFinite, type Row, type Values, zeros } from "./values.ts";

/** Of the native library. */
export const onnxruntimeVersion = env.versions.node ?? "unknown";

/** Why a model cannot be used; its message is for the person who added it. */
export class Unusable extends Error {
  override readonly name: string = "Unusable";
}

/** An answer of another size or type than the manifest says. */
export class WrongAnswer extends Unusable {
  override readonly name = "WrongAnswer";
}

/** An open network. Never released: releasing and making sessions again leaks memory in onnxruntime. */
export class OnnxModel {
  readonly #session: InferenceSession;
  readonly #plan: ModelPlan;
  readonly #outputs: readonly Expected[];
  /** How many inputs one run may take: 1 if the network was exported for one only. */
  readonly maxBatch: number | undefined;

  private constructor(session: InferenceSession, plan: ModelPlan, maxBatch: number | undefined) {
    this.#session = session;
    this.#plan = plan;
    this.#outputs = expected(plan);
    this.maxBatch = maxBatch;
  }

  /**
   * Reads, checks and warms the network: the first run is slow, and it shows what shapes alone cannot.
   * Blocks the thread.
   * @param room what is fed for one input, all zeros
   * @throws Unusable naming what does not fit
   */
  static async open(plan: ModelPlan, room: readonly Feed[]): Promise<OnnxModel> {
    const session = await openSession(plan);
    const { maxBatch } = checkSignature(plan, signatureOf(session));
    const model = new OnnxModel(session, plan, maxBatch);
    await model.#warm(room);
    return model;
  }

  /**
   * A row of answers for each of the run's inputs.
   * @throws WrongAnswer when it is not what the manifest says; Error from onnxruntime
   */
  async run(feeds: readonly Feed[]): Promise<Row[]> {
    const n = feeds[0]?.shape[0] ?? 0;
    const names = this.#outputs.map(({ name }) => name);
    const answers = await this.#session.run(tensorsOf(feeds), names);
    const columns = this.#outputs.map((output) => valuesIn(answers[output.name], output, n));
    return Array.from({ length: n }, (_, i) =>
      columns.map(({ data, values }) => data.subarray(i * values, (i + 1) * values)),
    );
  }

  async #warm(room: readonly Feed[]): Promise<void> {
    const isImage = this.#plan.input.kind === "image";
    const what = isImage ? "an image of zeros" : "arrays of zeros";
    let rows: Row[];
    try {
      rows = await this.run(room);
    } catch (cause) {
      if (cause instanceof Unusable) throw cause;
      throw new Unusable(`it fails on ${what}: ${text(cause)}`, { cause });
    }
    // Arrays are kept as they are: a network may well mean an infinity.
    if (this.#plan.output.kind === "classes" && !rows.every((row) => row.every(isFinite)))
      throw new Unusable(`its answer to ${what} is not finite`);
  }
}

/** What is read of a network's answer. */
interface Expected extends RowTensor {
  /** Of one row. */
  readonly values: number;
  /** Kept as it is, so its shape counts, too. */
  readonly isArray: boolean;
}

function expected({ output }: Pick<ModelPlan, "output">): readonly Expected[] {
  if (output.kind === "arrays")
    return output.tensors.map((each) => ({ ...each, values: valuesOfRow(each), isArray: true }));
  const { name, classes } = output;
  return [{ name, type: "float32", shape: [classes], values: classes, isArray: false }];
}

/** The values of one output of a run of `n` inputs. Scores may have ones behind the classes, so only their number counts. */
function valuesIn(
  answer: InferenceSession.OnnxValueMapType[string] | undefined,
  output: Expected,
  n: number,
): { readonly data: Values; readonly values: number } {
  const { name, type, shape, values, isArray } = output;
  const isRight =
    answer instanceof Tensor &&
    answer.type === type &&
    answer.data.length === n * values &&
    (!isArray || [n, ...shape].join() === answer.dims.join());
  if (!isRight) {
    const is = answer instanceof Tensor ? `${answer.type} [${answer.dims.join(", ")}]` : "nothing";
    throw new WrongAnswer(
      `output ${name} is ${is} for ${n} input(s); the manifest says ${type} ${describeRows(shape)}`,
    );
  }
  // By its type, which is one of those that there are typed arrays for.
  return { data: answer.data as Values, values };
}

/**
 * What a network says of itself, and what it answers to zeros where it is told what it takes. Blocks the thread.
 * @throws Unusable when the file cannot be opened
 */
export async function inspectNetwork(file: NetworkFile): Promise<Network> {
  const session = await openSession(file);
  const { inputs, outputs } = signatureOf(session);
  const declared = {
    inputs: inputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    outputs: outputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
  };
  const feeds = zerosFor(declared.inputs, file);
  if (typeof feeds === "string") return { ...declared, notRun: feeds };
  let answers: InferenceSession.OnnxValueMapType;
  try {
    answers = await session.run(tensorsOf(feeds));
  } catch (error) {
    const what = file.inputKind === "tensor" ? "arrays" : "an image";
    return { ...declared, notRun: `it fails on ${what} of zeros: ${text(error)}` };
  }
  return {
    inputs: declared.inputs,
    outputs: declared.outputs.map((output) => {
      const answer = answers[output.name];
      return answer instanceof Tensor ? { ...output, ...answered(answer) } : output;
    }),
  };
}

/** One input of zeros; a sentence where it is not known what the network takes. */
function zerosFor(inputs: Network["inputs"], file: NetworkFile): readonly Feed[] | string {
  if (file.inputKind === "tensor") {
    const rows = rowsOf(inputs, "input");
    if (typeof rows === "string") return rows;
    const bytes = bytesOfRow(rows);
    if (bytes > tensorLimits.inputBytes)
      return `one row of its inputs has ${bytes} bytes; at most ${tensorLimits.inputBytes} are taken`;
    return rows.map((row) => feedOf(row));
  }
  const image = imageInput(inputs, file);
  if (image.kind === "unusable") return image.why;
  if (image.kind === "untold") return `not told: ${image.gaps.join(", ")}`;
  const { name, type, layout, channels, height, width } = image;
  const shape = layout === "nchw" ? [channels, height, width] : [height, width, channels];
  return [feedOf({ name, type, shape })];
}

function feedOf({ name, type, shape }: RowTensor): Feed {
  return { name, type, shape: [1, ...shape], values: zeros(type, valuesOfRow({ shape })) };
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

function tensorsOf(feeds: readonly Feed[]): Record<string, Tensor> {
  return Object.fromEntries(
    feeds.map(({ name, type, shape, values }) => [
      name,
      // There is an overload for each type and none for their union; the values were made by the type.
      new Tensor(type as "float32", values as Float32Array, shape),
    ]),
  );
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
