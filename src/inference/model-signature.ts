/**
 * Whether a network's declared inputs and outputs are what its manifest says, and if not, what they are:
 * the person who adds a model must be able to correct the manifest from the sentence alone.
 */
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
 * @returns how many images one run may take, undefined when the network leaves it free
 * @throws Mismatch naming the first thing that does not fit
 */
export function checkSignature(
  { input, output }: Pick<ModelPlan, "input" | "output">,
  { inputs, outputs }: Signature,
): { readonly maxBatch: number | undefined } {
  const fed = named(inputs, "input", input.name);
  const others = inputs.filter(({ name }) => name !== input.name);
  if (others.length > 0)
    throw new Mismatch(`it needs more than an image: ${others.map(describe).join(", ")}`);
  const { height, width, layout } = input;
  const image = layout === "nchw" ? [3, height, width] : [height, width, 3];
  fits("input", fed, image);
  fits("output", named(outputs, "output", output.name), [output.classes]);
  const [n] = fed.shape;
  return { maxBatch: typeof n === "number" ? n : undefined };
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

/** Symbolic dimensions fit anything; the first is the number of images, and may be fixed to 1. */
function fits(what: string, tensor: TensorSignature, perImage: readonly number[]): void {
  const wanted = `[N, ${perImage.join(", ")}] of float32`;
  const [n, ...rest] = tensor.shape;
  const fit =
    tensor.type === "float32" &&
    // Some exporters declare no shape for outputs; the run on zeros then decides.
    (tensor.shape.length === 0 ||
      ((typeof n === "string" || n === 1) &&
        rest.length === perImage.length &&
        rest.every((size, i) => typeof size === "string" || size === perImage[i])));
  if (!fit)
    throw new Mismatch(`${what} ${describe(tensor)} is not ${wanted}, which its manifest says`);
}

function describe({ name, type, shape }: TensorSignature): string {
  return `${name} (${type} [${shape.map((size) => (size === "" ? "?" : size)).join(", ")}])`;
}
