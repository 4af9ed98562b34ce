/**
 * What a manifest says of a network's two ends, with nothing optional left. No schemas here: the executor's threads, which
 * should start without a validator, use these types.
 */
import { IDunnoError } from "./errors.ts";
import type { ImageTensor, ModelManifest, Preprocessing, Scores } from "./model-manifest.ts";
import { bytesOfRow, type RowTensor, tensorLimits } from "./tensors.ts";

export interface ImageInput {
  readonly kind: "image";
  readonly input: ImageTensor;
  readonly preprocessing: Preprocessing;
}

export interface ArrayInput {
  readonly kind: "arrays";
  readonly tensors: readonly RowTensor[];
}

export interface ClassOutput extends Scores {
  readonly kind: "classes";
  readonly topK: number;
}

export interface ArrayOutput {
  readonly kind: "arrays";
  readonly tensors: readonly RowTensor[];
}

/** Both ends of a network. Fields stand in one order, so that equal ones have equal JSON. */
export interface ModelIo {
  readonly input: ImageInput | ArrayInput;
  readonly output: ClassOutput | ArrayOutput;
}

/** The array of a query's file that says which inputs its rows are of: no output may have its name. */
export const indexArray = "input_index";

/** @throws IDunnoError BAD_MODEL naming what of the manifest does not go together */
export function ioOf(manifest: ModelManifest): ModelIo {
  return { input: inputOf(manifest), output: outputOf(manifest) };
}

function inputOf(manifest: ModelManifest): ModelIo["input"] {
  const { input, preprocessing, inputs } = manifest;
  if (inputs !== undefined) {
    if (input !== undefined || preprocessing !== undefined)
      throw bad(
        manifest,
        "its manifest has inputs, so it must have neither input nor preprocessing",
      );
    return { kind: "arrays", tensors: checked(manifest, "inputs", inputs) };
  }
  if (input === undefined || preprocessing === undefined)
    throw bad(manifest, "its manifest has neither an input with its preprocessing nor inputs");
  const { name, layout, height, width, type } = input;
  const { resize, channelOrder, scale, mean, std, shortSide } = preprocessing;
  return {
    kind: "image",
    input: { name, layout, height, width, ...(type === undefined ? {} : { type }) },
    preprocessing: {
      resize,
      channelOrder,
      scale,
      mean,
      std,
      ...(shortSide === undefined ? {} : { shortSide }),
    },
  };
}

function outputOf(manifest: ModelManifest): ModelIo["output"] {
  const { output, outputs, topK, labels } = manifest;
  if (outputs !== undefined) {
    if (output !== undefined || topK !== undefined || labels.length > 0)
      throw bad(manifest, "its manifest has outputs, so it must have no output, topK or labels");
    const tensors = checked(manifest, "outputs", outputs);
    if (tensors.some(({ name }) => name === indexArray))
      throw bad(
        manifest,
        `no output may have the name ${indexArray}: it is that of the row numbers`,
      );
    return { kind: "arrays", tensors };
  }
  if (output === undefined || topK === undefined)
    throw bad(manifest, "its manifest has neither an output with its topK nor outputs");
  const { name, classes, activation } = output;
  return { kind: "classes", name, classes, activation, topK };
}

function checked(
  manifest: ModelManifest,
  what: "inputs" | "outputs",
  tensors: readonly RowTensor[],
): readonly RowTensor[] {
  if (new Set(tensors.map(({ name }) => name)).size < tensors.length)
    throw bad(manifest, `its manifest names one of its ${what} twice`);
  const bytes = bytesOfRow(tensors);
  const limit = what === "inputs" ? tensorLimits.inputBytes : tensorLimits.queryBytes;
  if (bytes > limit)
    throw bad(manifest, `one row of its ${what} has ${bytes} bytes; at most ${limit} are taken`);
  return tensors.map(({ name, type, shape }) => ({ name, type, shape: [...shape] }));
}

function bad({ name }: ModelManifest, why: string): IDunnoError {
  return new IDunnoError("BAD_MODEL", { model: name, why });
}
