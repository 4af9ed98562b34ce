/**
 * Whether a network's declared inputs and outputs are what its manifest says, and if not, what they are:
 * the person who adds a model must be able to correct the manifest from the sentence alone.
 */
import type { ClassOutput, ImageInput } from "../lib/model-io.ts";
import { describeRows, type RowTensor } from "../lib/tensors.ts";
import { channelsOf } from "./preprocess.ts";
import type { ModelPlan } from "./protocol.ts";

export interface TensorSignature {
  readonly name: string;
  readonly type: string;
  /** Symbolic dimensions are strings. */
  readonly shape: readonly (number | string)[];
}

export interface Signature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

/**
 * @returns how many inputs one run may take, undefined when the network leaves it free
 * @throws Mismatch naming the first thing that does not fit
 */
export function checkSignature(
  { input, output }: Pick<ModelPlan, "input" | "output">,
  { inputs, outputs }: Signature,
): { readonly maxBatch: number | undefined } {
  const wanted = input.kind === "image" ? [imageTensor(input)] : input.tensors;
  const fed = wanted.map(({ name, type, shape }) => {
    const tensor = named(inputs, "input", name);
    fits("input", tensor, { type, row: shape });
    return tensor;
  });
  const others = inputs.filter(({ name }) => wanted.every((each) => each.name !== name));
  if (others.length > 0) {
    const what = input.kind === "image" ? "an image" : "its manifest says";
    throw new Mismatch(`it needs more than ${what}: ${others.map(describe).join(", ")}`);
  }
  if (output.kind === "classes") checkScores(output, outputs);
  else
    for (const { name, type, shape } of output.tensors)
      fits("output", named(outputs, "output", name), { type, row: shape });
  const isForOne = fed.some(({ shape: [n] }) => typeof n === "number");
  return { maxBatch: isForOne ? 1 : undefined };
}

function imageTensor({ input, preprocessing }: ImageInput): RowTensor {
  const { name, height, width, layout, type = "float32" } = input;
  const channels = channelsOf(preprocessing);
  const shape = layout === "nchw" ? [channels, height, width] : [height, width, channels];
  return { name, type, shape };
}

function checkScores(output: ClassOutput, outputs: Signature["outputs"]): void {
  const scores = named(outputs, "output", output.name);
  // Networks that end in a pooling or a convolution have [N, classes, 1, 1].
  const [n0, ...rest] = scores.shape;
  const long = rest.filter((size) => size !== 1);
  const shape = n0 === undefined ? [] : [n0, ...(long.length === 0 ? [1] : long)];
  fits("output", scores, { type: "float32", row: [output.classes] }, shape);
}

/** @throws Mismatch naming what of a manifest contradicts itself, whatever the network */
export function checkPreprocessing({
  input: { height, width, type },
  preprocessing: { resize, shortSide, scale, mean, std, channelOrder },
}: ImageInput): void {
  const used = channelOrder === "grey" ? 1 : 3;
  const isPlain =
    scale === 1 &&
    mean.slice(0, used).every((m) => m === 0) &&
    std.slice(0, used).every((s) => s === 1);
  if (type === "uint8" && !isPlain)
    throw new Mismatch("its input is uint8, so its scale must be 1, its mean 0 and its std 1");
  if (std.slice(0, used).includes(0)) throw new Mismatch("a std of 0 divides by zero");
  if (shortSide === undefined) return;
  if (resize !== "crop")
    throw new Mismatch(`shortSide belongs to the resize mode crop, not ${resize}`);
  if (shortSide < Math.min(height, width))
    throw new Mismatch(
      `shortSide ${shortSide} is less than the short side of the input, ${height}x${width}: nothing could be cut out`,
    );
}

/** A network that is not what its manifest says. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

function named(
  tensors: readonly TensorSignature[],
  what: "input" | "output",
  name: string,
): TensorSignature {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found !== undefined) return found;
  throw new Mismatch(`it has no ${what} ${name}; it has ${tensors.map(describe).join(", ")}`);
}

/** Symbolic dimensions fit anything; the first is the number of inputs, and may be fixed to 1. */
function fits(
  what: string,
  tensor: TensorSignature,
  { type, row }: { readonly type: string; readonly row: readonly number[] },
  shape: TensorSignature["shape"] = tensor.shape,
): void {
  const wanted = `${describeRows(row)} of ${type}`;
  const [n, ...rest] = shape;
  const fit =
    tensor.type === type &&
    // Some exporters declare no shape for outputs; the run on zeros then decides.
    (shape.length === 0 ||
      ((typeof n === "string" || n === 1) &&
        rest.length === row.length &&
        rest.every((size, i) => typeof size === "string" || size === row[i])));
  if (!fit)
    throw new Mismatch(`${what} ${describe(tensor)} is not ${wanted}, which its manifest says`);
}

function describe({ name, type, shape }: TensorSignature): string {
  return `${name} (${type} [${shape.map((size) => (size === "" ? "?" : size)).join(", ")}])`;
}
