/** The options of `idunno model add` that say of a network what its file does not. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { integer } from "../options.ts";
import type { Given } from "./describe.ts";
import { type ImageSize, presets } from "./presets.ts";

export interface DescribingOptions extends Omit<Given, "labels" | "height" | "width" | "outputs"> {
  readonly labels?: string;
  readonly outputName?: readonly string[];
  readonly size?: ImageSize;
}

/** They and a manifest exclude each other. */
export const describing = [
  "task",
  "inputKind",
  "preset",
  "labels",
  "size",
  "layout",
  "resize",
  "outputName",
  "activation",
  "top",
  "source",
] as const;

const ofImages = ["preset", "size", "layout", "resize"] as const;
const ofClasses = ["labels", "activation", "top"] as const;

export function addDescribingOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--task <name>",
        "classify: scores of classes; tensors: arrays as they come",
      ).choices(["classify", "tensors"]),
    )
    .addOption(
      new Option(
        "--input-kind <kind>",
        "tensor: .npy and .npz files, for networks that take no image",
      ).choices(["image", "tensor"]),
    )
    .addOption(new Option("--preset <name>", "how it sees pixels").choices(presets))
    .option("--labels <file>", "a line for each class")
    .option("--size <HxW>", "of its images, where the file leaves that free", imageSize)
    .addOption(new Option("--layout <order>", "of its input").choices(["nchw", "nhwc"]))
    .addOption(
      new Option("--resize <how>", "other than the preset has it").choices([
        "fill",
        "fit-left",
        "crop",
      ]),
    )
    .option(
      "--output-name <name>",
      "which output has the scores, where there are several; of tensors which to keep, again for each",
      collected,
    )
    .addOption(
      new Option("--activation <name>", "none: scores as they come; softmax: logits").choices([
        "none",
        "softmax",
      ]),
    )
    .option("--top <classes>", "how many of the best a result names (default: 5)", integer(1, 100))
    .option("--source <text>", "where it comes from, and its licence");
}

/** An option that says nothing of a network of the kind given, and so was meant for another: what is wrong with it. */
export function pointlessIn(options: DescribingOptions): string | undefined {
  const said = (among: readonly (typeof describing)[number][]) =>
    among.find((option) => options[option] !== undefined);
  const image = options.inputKind === "tensor" ? said(ofImages) : undefined;
  if (image !== undefined) return `--${optionOf(image)} means nothing with --input-kind tensor`;
  const classes = options.task === "tensors" ? said(ofClasses) : undefined;
  if (classes !== undefined) return `--${optionOf(classes)} means nothing with --task tensors`;
  return undefined;
}

/** An option that may be given again. */
function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** `224x224`, height first; `224` for both. */
function imageSize(text: string): ImageSize {
  const [, first, second = first] = /^(\d{1,4})(?:x(\d{1,4}))?$/.exec(text) ?? [];
  const [height, width] = [Number(first), Number(second)];
  if (!(height >= 1 && height <= 4096 && width >= 1 && width <= 4096))
    throw new InvalidArgumentError("Expected HEIGHTxWIDTH, such as 224x224, 4096 at most each.");
  return { height, width };
}

/** `outputName` as it is written: `output-name`. */
export function optionOf(name: (typeof describing)[number]): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
