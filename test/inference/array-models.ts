/** Tiny ONNX networks that take arrays and give arrays, written with onnx-proto. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import proto from "onnx-proto";
import type { LocalModel } from "../../src/inference/types.ts";
import type { ModelManifest } from "../../src/lib/model-manifest.ts";
import { floats, int, value, wholes } from "../../tools/models/odd-nodes.ts";

const { ModelProto, TensorProto } = proto.onnx;
const { INT64, BOOL } = TensorProto.DataType;

/**
 * Of `a` (float32 [N, 3]) and `b` (int64 [N, 2]): `doubled` is 2a, `negative` is -b, `big` says where a is above 0.5,
 * `inverse` is 1 / a, and `small` (int64 [1, 2, k]) where it is not above 0.5, so that its shape depends on the values.
 */
export function encodeArrayModel({
  batch = "N",
  width = 3,
}: { readonly batch?: string | number; readonly width?: string | number } = {}): Uint8Array {
  return ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 13 }],
    graph: {
      name: "arrays",
      input: [value("a", [batch, width]), value("b", [batch, 2], INT64)],
      output: [
        value("doubled", [batch, width]),
        value("negative", [batch, 2], INT64),
        value("big", [batch, width], BOOL),
        value("inverse", [batch, width]),
        value("small", [1, 2, "k"], INT64),
      ],
      initializer: [
        floats("half", [], Float32Array.of(0.5)),
        floats("one", [], Float32Array.of(1)),
        wholes("front", [1], 0n),
      ],
      node: [
        { opType: "Add", input: ["a", "a"], output: ["doubled"] },
        { opType: "Neg", input: ["b"], output: ["negative"] },
        { opType: "Greater", input: ["a", "half"], output: ["big"] },
        { opType: "Div", input: ["one", "a"], output: ["inverse"] },
        { opType: "Not", input: ["big"], output: ["not"] },
        { opType: "NonZero", input: ["not"], output: ["places"] },
        { opType: "Unsqueeze", input: ["places", "front"], output: ["small"] },
      ],
    },
  }).finish();
}

/** Of `x` (float32 [N, 4]): its values are its scores. */
export function encodeScoreModel(): Uint8Array {
  return ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 13 }],
    graph: {
      name: "scores",
      input: [value("x", ["N", 4])],
      output: [value("scores", ["N", 4])],
      node: [{ opType: "Flatten", input: ["x"], output: ["scores"], attribute: [int("axis", 1)] }],
    },
  }).finish();
}

export const inputsOfArrays: NonNullable<ModelManifest["inputs"]> = [
  { name: "a", type: "float32", shape: [3] },
  { name: "b", type: "int64", shape: [2] },
];

export const outputsOfArrays: NonNullable<ModelManifest["outputs"]> = [
  { name: "doubled", type: "float32", shape: [3] },
  { name: "negative", type: "int64", shape: [2] },
  { name: "big", type: "bool", shape: [3] },
];

export function arrayManifest(
  bytes: Uint8Array,
  change: Partial<ModelManifest> = { outputs: outputsOfArrays },
): ModelManifest {
  return {
    format: 1,
    name: "arrays",
    sha256: createHash("sha256").update(bytes).digest("hex"),
    labels: [],
    source: "made by a test",
    inputs: inputsOfArrays,
    ...change,
  };
}

export async function writeArrayModel(
  folder: string,
  bytes: Uint8Array,
  change?: Partial<ModelManifest>,
): Promise<LocalModel> {
  const manifest = arrayManifest(bytes, change);
  const path = join(folder, `${manifest.sha256}.onnx`);
  await writeFile(path, bytes);
  return { sha256: manifest.sha256, path, manifest };
}
