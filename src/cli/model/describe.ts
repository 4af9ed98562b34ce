/**
 * A manifest from what a network says of itself and what a person adds. Whatever neither tells is asked for, all of it
 * at once: a guess would give wrong results without an error.
 */
import { IDunnoError } from "../../lib/errors.ts";
import type { ImageTensor, ModelManifest, Preprocessing } from "../../lib/model-manifest.ts";
import {
  describeTensor,
  type ImageInput,
  imageInput,
  type InputHints,
  type Network,
  type NetworkOutput,
  rowsOf,
} from "../../lib/network.ts";
import type { RowTensor, TensorType } from "../../lib/tensors.ts";
import { type Preset, presetMeanings, preprocessingOf, presets } from "./presets.ts";

/** How many of the best classes a result names unless it is said. */
const usualTop = 5;
/** By how much the scores of one image may miss 1 in sum and still be probabilities: float32 over 65,536 classes. */
const sumTolerance = 1e-3;

export interface Given extends InputHints {
  readonly preset?: Preset | undefined;
  readonly resize?: Preprocessing["resize"] | undefined;
  /** Default: classify. */
  readonly task?: "classify" | "tensors" | undefined;
  /** Names: of the scores, or of all arrays that are to be kept. */
  readonly outputs?: readonly string[] | undefined;
  readonly activation?: "none" | "softmax" | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly top?: number | undefined;
  readonly source?: string | undefined;
}

type Named = Pick<ModelManifest, "name" | "sha256">;
type Image = Extract<ImageInput, { readonly kind: "image" }>;
type Output = NetworkOutput;
/** What is fed: once it is told, the network has been run. */
interface Fed {
  readonly isTold: boolean;
  /** undefined while something is missing. */
  readonly part: Pick<ModelManifest, "input" | "preprocessing" | "inputs"> | undefined;
}
type Read = Pick<ModelManifest, "output" | "topK" | "outputs" | "labels">;

/**
 * @param model its name and the hash of its file
 * @throws USAGE naming all that is not told; BAD_MODEL for a network that cannot be used, whatever is told
 */
export function describeNetwork(model: Named, network: Network, given: Given): ModelManifest {
  const gaps: string[] = [];
  const { isTold, part } =
    given.inputKind === "tensor" ? arraysOf(model, network) : imageOf(model, network, given, gaps);
  const givesArrays = given.task === "tensors";
  const output = givesArrays ? undefined : chooseOutput(model, network, given);
  if (!givesArrays && output === undefined)
    gaps.push(
      `which of its outputs are the scores (${network.outputs.map(({ name }) => `--output-name ${name}`).join(" or ")})`,
    );
  // Nothing more can be known of its answers before it has been run.
  if (isTold && network.notRun !== undefined) throw bad(model, network.notRun);
  const activation = given.activation ?? activationOf(output);
  if (isTold && output !== undefined && activation === undefined)
    gaps.push("what its scores are (--activation none: as they come; softmax: logits)");
  if (part === undefined || gaps.length > 0)
    throw new IDunnoError("USAGE", {
      message: `model ${model.name}: its file does not tell ${gaps.join("; nor ")}`,
    });
  const read =
    output === undefined || activation === undefined
      ? keptOutputs(model, network, given)
      : scoresOf(model, output, activation, given);
  return { format: 1, ...model, ...part, ...read, source: given.source ?? "" };
}

function imageOf(model: Named, network: Network, given: Given, gaps: string[]): Fed {
  const image = imageInput(network.inputs, given);
  if (image.kind === "unusable") throw bad(model, image.why);
  if (image.kind === "untold") gaps.push(...image.gaps);
  const preset = given.preset ?? usualPreset(image);
  if (preset === undefined)
    gaps.push(
      `how it was trained to see pixels (${presets.map((name) => `--preset ${name}: ${presetMeanings[name]}`).join("; ")})`,
    );
  if (image.kind === "untold") return { isTold: false, part: undefined };
  if (preset === undefined) return { isTold: true, part: undefined };
  const part = { input: inputOf(image), preprocessing: preprocessing(preset, image, given) };
  return { isTold: true, part };
}

function arraysOf(model: Named, { inputs }: Network): Fed {
  const rows = rowsOf(inputs, "input");
  if (typeof rows === "string") throw bad(model, rows);
  return { isTold: true, part: { inputs: rows.map(schemaRow) } };
}

/** The outputs named, or all of them. */
function keptOutputs(model: Named, { outputs }: Network, { outputs: names }: Given): Read {
  const kept = names === undefined ? outputs : names.map((name) => named(model, outputs, name));
  const rows = rowsOf(kept, "output");
  if (typeof rows === "string") throw bad(model, rows);
  return { outputs: rows.map(schemaRow), labels: [] };
}

function scoresOf(
  model: Named,
  output: Output,
  activation: "none" | "softmax",
  given: Given,
): Read {
  const classes = classesOf(model, output);
  return {
    output: { name: output.name, classes, activation },
    labels: labelsFor(classes, given.labels ?? []),
    topK: given.top ?? Math.min(usualTop, classes),
  };
}

function schemaRow({ name, type, shape }: RowTensor): {
  name: string;
  type: TensorType;
  shape: number[];
} {
  return { name, type, shape: [...shape] };
}

function usualPreset(image: ImageInput): Preset | undefined {
  return image.kind === "image" && image.type === "uint8" ? "byte" : undefined;
}

function inputOf({ name, layout, height, width, type }: Image): ImageTensor {
  return { name, layout, height, width, ...(type === "uint8" ? { type } : {}) };
}

function preprocessing(preset: Preset, image: Image, given: Given): Preprocessing {
  const usual = preprocessingOf(preset, image);
  if (image.type === "uint8" && preset !== "byte")
    throw usage(`--preset ${preset} normalises, but the network takes bytes: give --preset byte`);
  if (image.channels === 1 && (preset === "imagenet" || preset === "caffe"))
    throw usage(
      `--preset ${preset} is for colours, but the network takes grey: give tf, unit or byte`,
    );
  const { resize = usual.resize } = given;
  const { shortSide, ...rest } = usual;
  return {
    ...rest,
    resize,
    ...(image.channels === 1 ? { channelOrder: "grey" } : {}),
    ...(resize === "crop" && shortSide !== undefined ? { shortSide } : {}),
  };
}

/** The output named, or the only one. */
function chooseOutput(
  model: Named,
  { outputs }: Network,
  { outputs: names }: Given,
): Output | undefined {
  const [name, ...others] = names ?? [];
  if (name === undefined) return outputs.length === 1 ? outputs[0] : undefined;
  if (others.length > 0)
    throw usage("scores are one output: name one of them, or keep several with --task tensors");
  return named(model, outputs, name);
}

function named(model: Named, outputs: readonly Output[], name: string): Output {
  const found = outputs.find((output) => output.name === name);
  if (found === undefined)
    throw usage(
      `model ${model.name} has no output ${name}; it has ${outputs.map(describeTensor).join(", ")}`,
    );
  return found;
}

/** What the scores of zeros give away: probabilities add up to 1, logits do not keep to 0..1. */
function activationOf(output: Output | undefined): "none" | "softmax" | undefined {
  if (output?.values === undefined) return undefined;
  const { least, greatest, sum } = output.values;
  if (least < 0 || greatest > 1) return "softmax";
  return Math.abs(sum - 1) <= sumTolerance ? "none" : undefined;
}

function classesOf(model: Pick<ModelManifest, "name">, output: Output): number {
  const sizes = output.shape.slice(1).filter((size) => size !== 1);
  const [classes = 1, ...more] = sizes;
  if (more.length > 0 || typeof classes !== "number" || output.type !== "float32")
    throw bad(
      model,
      `its output ${describeTensor(output)} is no list of scores: [N, classes] of float32; --task tensors keeps what is none`,
    );
  return classes;
}

function labelsFor(classes: number, labels: readonly string[]): string[] {
  if (labels.length > 0 && labels.length !== classes)
    throw new IDunnoError("INVALID", {
      what: "the labels",
      why: `there are ${labels.length}, and the network has ${classes} classes`,
      remedy: "give one line for each class, in their order",
    });
  return [...labels];
}

function bad({ name }: Pick<ModelManifest, "name">, why: string): IDunnoError {
  return new IDunnoError("BAD_MODEL", { model: name, why });
}

function usage(message: string): IDunnoError {
  return new IDunnoError("USAGE", { message });
}
