/**
 * What an ONNX network says of itself, and what of that makes an image input, or arrays. What its file cannot tell, a person must:
 * each gap is named together with the option that fills it. Types only of the wire (lib/api/cluster.ts): an executor's
 * threads load this, and should start without a validator.
 */
import { type RowTensor, tensorType, tensorTypes } from "./tensors.ts";

export interface NetworkTensor {
  readonly name: string;
  /** `float32`, `uint8`, … */
  readonly type: string;
  /** Dimensions that are left free have names, or are empty. */
  readonly shape: readonly (number | string)[];
}

export interface NetworkOutput extends NetworkTensor {
  /** What came out for an input of zeros, if float32 and finite. */
  readonly values?: { readonly least: number; readonly greatest: number; readonly sum: number };
}

export interface Network {
  readonly inputs: readonly NetworkTensor[];
  /** Where it could be run, with the shapes that an input of zeros gave. */
  readonly outputs: readonly NetworkOutput[];
  /** Why it was not run, or how that failed. */
  readonly notRun?: string;
}

/** What a person says of the input where its file leaves it free. */
export interface InputHints {
  /** `tensor`: it takes arrays as they are. Default: an image. */
  readonly inputKind?: "image" | "tensor" | undefined;
  readonly layout?: "nchw" | "nhwc" | undefined;
  /** Pixels; both or none. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

export type ImageInput =
  | {
      readonly kind: "image";
      readonly name: string;
      readonly type: "float32" | "uint8";
      readonly layout: "nchw" | "nhwc";
      readonly channels: 1 | 3;
      readonly height: number;
      readonly width: number;
    }
  /** Sentences: what is not told, and how to give it. */
  | { readonly kind: "untold"; readonly gaps: readonly string[] }
  | { readonly kind: "unusable"; readonly why: string };

/** The one input of a network as an image, as far as its shape and the hints tell. */
export function imageInput(inputs: readonly NetworkTensor[], hints: InputHints): ImageInput {
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0)
    return unusable(
      `it has ${inputs.length} inputs (${inputs.map(describeTensor).join(", ")}), not one image; ${forArrays}`,
    );
  const { name, type, shape } = input;
  const [n, second, third, fourth] = shape;
  if (shape.length !== 4 || (type !== "float32" && type !== "uint8"))
    return unusable(
      `its input ${describeTensor(input)} takes no image: that has 4 dimensions of float32 or uint8; ${forArrays}`,
    );
  if (typeof n === "number" && n !== 1)
    return unusable(
      `its input ${describeTensor(input)} takes exactly ${n} images at a time: export it for 1 or for any number`,
    );
  const layout = hints.layout ?? layoutOf(second, fourth);
  if (layout === undefined)
    return { kind: "untold", gaps: ["where its channels are (--layout nchw or --layout nhwc)"] };
  const [channels = 3, ownHeight, ownWidth] =
    layout === "nchw" ? [number(second), third, fourth] : [number(fourth), second, third];
  if (channels !== 1 && channels !== 3)
    return unusable(
      `its input ${describeTensor(input)} has ${channels} channels in layout ${layout}, not 1 or 3`,
    );
  const height = number(ownHeight) ?? hints.height;
  const width = number(ownWidth) ?? hints.width;
  if (height === undefined || width === undefined)
    return { kind: "untold", gaps: ["the size of its images (--size HEIGHTxWIDTH)"] };
  if (height !== (hints.height ?? height) || width !== (hints.width ?? width))
    return unusable(`its images are ${height}x${width}, not ${hints.height}x${hints.width}`);
  return { kind: "image", name, type, layout, channels, height, width };
}

const forArrays = "give --input-kind tensor if it takes arrays";

/**
 * Some of a network's inputs or outputs as rows of a fixed shape; a sentence where they are none.
 * @param what `input` or `output`
 */
export function rowsOf(
  tensors: readonly NetworkTensor[],
  what: "input" | "output",
): readonly RowTensor[] | string {
  const rows: RowTensor[] = [];
  for (const tensor of tensors) {
    const [n, ...shape] = tensor.shape;
    const type = tensorType(tensor.type);
    const its = `its ${what} ${describeTensor(tensor)}`;
    if (type === undefined)
      return `${its} is of a type that is not taken: ${tensorTypes.join(", ")} are`;
    if (n === undefined || (typeof n === "number" && n !== 1))
      return `${its} has no row for each input: its first dimension must be free, or 1`;
    const fixed = shape.filter((size) => typeof size === "number" && size > 0);
    if (fixed.length < shape.length)
      return `${its} leaves more free than its first dimension: export it with the others fixed`;
    rows.push({ name: tensor.name, type, shape: fixed.map(Number) });
  }
  return rows;
}

/** `image (float32 [N, 3, 224, 224])` */
export function describeTensor({ name, type, shape }: NetworkTensor): string {
  return `${name} (${type} [${shape.map((size) => (size === "" ? "?" : size)).join(", ")}])`;
}

function layoutOf(second: string | number | undefined, fourth: string | number | undefined) {
  if (isChannels(second) === isChannels(fourth)) return undefined;
  return isChannels(second) ? "nchw" : "nhwc";
}

function isChannels(size: string | number | undefined): boolean {
  return size === 1 || size === 3;
}

function number(size: string | number | undefined): number | undefined {
  return typeof size === "number" ? size : undefined;
}

function unusable(why: string): ImageInput {
  return { kind: "unusable", why };
}
