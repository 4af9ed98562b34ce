/**
 * A manifest from what a network says of itself and what a person adds. Whatever neither tells is asked for, all of it
 * at once: a guess would give wrong results without an error.
 */
import { IDunnoError } from "../../lib/errors.ts";
import type { ModelManifest, Preprocessing } from "../../lib/model-manifest.ts";
import {
  describeTensor,
  type ImageHints,
  type ImageInput,
  imageInput,
  type Network,
  type NetworkOutput,
} from "../../lib/network.ts";
import { type Preset, presetMeanings, preprocessingOf, presets } from "./presets.ts";

/** How many of the best classes a result names unless it is said. */
const usualTop = 5;
/** By how much the scores of one image may miss 1 in sum and still be probabilities: float32 over 65,536 classes. */
const sumTolerance = 1e-3;

export interface Given extends ImageHints {
  readonly preset?: Preset | undefined;
  readonly resize?: Preprocessing["resize"] | undefined;
  readonly output?: string | undefined;
  readonly activation?: "none" | "softmax" | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly top?: number | undefined;
  readonly source?: string | undefined;
}

type Image = Extract<ImageInput, { readonly kind: "image" }>;
type Output = NetworkOutput;

/**
 * @param model its name and the hash of its file
 * @throws USAGE naming all that is not told; BAD_MODEL for a network that cannot be used, whatever is told
 */
export function describeNetwork(
  model: Pick<ModelManifest, "name" | "sha256">,
  network: Network,
  given: Given,
): ModelManifest {
  const gaps: string[] = [];
  const image = imageInput(network.inputs, given);
  if (image.kind === "unusable") throw bad(model, image.why);
  if (image.kind === "untold") gaps.push(...image.gaps);
  const preset = given.preset ?? usualPreset(image);
  if (preset === undefined)
    gaps.push(
      `how it was trained to see pixels (${presets.map((name) => `--preset ${name}: ${presetMeanings[name]}`).join("; ")})`,
    );
  const output = chooseOutput(model, network, given);
  if (output === undefined)
    gaps.push(
      `which of its outputs are the scores (${network.outputs.map(({ name }) => `--output-name ${name}`).join(" or ")})`,
    );
  // Nothing more can be known of its answers before it has been run.
  if (image.kind === "image" && network.notRun !== undefined) throw bad(model, network.notRun);
  const activation = given.activation ?? activationOf(output);
  if (image.kind === "image" && output !== undefined && activation === undefined)
    gaps.push("what its scores are (--activation none: as they come; softmax: logits)");
  if (image.kind !== "image" || !preset || output === undefined || activation === undefined)
    throw new IDunnoError("USAGE", {
      message: `model ${model.name}: its file does not tell ${gaps.join("; nor ")}`,
    });
  const classes = classesOf(model, output);
  return {
    format: 1,
    ...model,
    input: inputOf(image),
    output: { name: output.name, classes, activation },
    preprocessing: preprocessing(preset, image, given),
    labels: labelsFor(classes, given.labels ?? []),
    topK: given.top ?? Math.min(usualTop, classes),
    source: given.source ?? "",
  };
}

function usualPreset(image: ImageInput): Preset | undefined {
  return image.kind === "image" && image.type === "uint8" ? "byte" : undefined;
}

function inputOf({ name, layout, height, width, type }: Image): ModelManifest["input"] {
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
  model: Pick<ModelManifest, "name">,
  { outputs }: Network,
  { output: name }: Given,
): Output | undefined {
  if (name === undefined) return outputs.length === 1 ? outputs[0] : undefined;
  const found = outputs.find((output) => output.name === name);
  if (found === undefined)
    throw usage(
      `model ${model.name} has no output ${name}; it has ${outputs.map(describeTensor).join(", ")}`,
    );
  return found;
}

/** What the scores of an image of zeros give away: probabilities add up to 1, logits do not keep to 0..1. */
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
      `its output ${describeTensor(output)} is no list of scores: [N, classes] of float32`,
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
