/**
 * One input's outcome, from the packed form that the log carries to the line that people read. Result bytes may depend
 * on nothing but input, model and preprocessing (promise P2): so scores are whole millionths, printed from their
 * digits, and an error's text comes from a fixed table, without node, time or attempt.
 */
import { chunkBytes } from "../lib/content.ts";
import type { ModelManifest } from "../lib/model-manifest.ts";
import { padded } from "../lib/rows.ts";
import { tensorLimits } from "../lib/tensors.ts";
import type { JobId } from "../lib/types.ts";
import type { Completion, PackedOutput } from "./types.ts";

/** Why an input has no classes, as it stands in results for ever. Codes and texts are never changed or reused. */
export const inputErrors = {
  unreadable: "the file is not an image that can be decoded",
  too_large: "the file or the image in it is larger than the limit",
  unsupported: "the image is of a kind that is not supported",
  wrong_output: "the model's output is not what its manifest says",
  killed_executor: "inference on this input ended the executor time and again",
  timed_out: "inference on this input did not end in time, time and again",
  missing: "the file's content could not be read from any replica",
  not_an_array: "the file is not a .npy or .npz file that can be read",
  unsupported_array: "the array is of a kind that is not supported",
  wrong_type: "the array is not of the type that the model takes",
  wrong_shape: "the array is not of the shape that the model takes",
  missing_array: "the file has no array for one of the model's inputs",
} as const;

export type InputErrorCode = keyof typeof inputErrors;

/** Classes of one result: `topK` is at most 100 (lib/model-manifest.ts). */
const classesLimit = 100;
/** Largest score in millionths: 15 digits, all of which a double carries exactly. Probabilities need 7. */
const millionthsLimit = 1e15 - 1;

/** A class or a score in MessagePack: 5 bytes up to 32 bits, which all but absurd scores fit. */
const packedNumberBytes = 5;

/** A chunk of a file in MessagePack, and a store that has it: field names, hash, length; field names, id, index. */
const packedChunkBytes = 110;
const packedReplicaBytes = 96;
/** Chunks of the largest file of arrays. */
const tensorChunks = Math.ceil(tensorLimits.fileBytes / chunkBytes);

/** About how many bytes a completion takes in a command or a frame, rounded up: for bounding batches of them. */
export function completionBytes({
  outputs,
  tensors,
}: Pick<Completion, "outputs" | "tensors">): number {
  let bytes = 128;
  for (const { replicas } of tensors?.chunks ?? [])
    bytes += packedChunkBytes + replicas.length * packedReplicaBytes;
  for (const output of outputs)
    bytes += typeof output === "string" ? 24 : 3 + output.length * packedNumberBytes;
  return bytes;
}

/** Where the arrays of a query become visible: named by its first input, of which there is one query only. */
export function tensorsPath(job: JobId, from: number): string {
  return `jobs/${job}/tensors/${padded(from, 10)}.npz`;
}

/** Whether a completion of `count` inputs is one that the model may have. */
export function isCompletionOf(
  { output, outputs: arrays }: Pick<ModelManifest, "output" | "outputs">,
  count: number,
  { outputs, tensors }: Pick<Completion, "outputs" | "tensors">,
): boolean {
  if (outputs.length !== count) return false;
  if (arrays === undefined)
    return (
      tensors === undefined && outputs.every((each) => isPackedOutput(each, output?.classes ?? 0))
    );
  const hasRows = outputs.some((each) => typeof each !== "string");
  if (hasRows !== (tensors !== undefined)) return false;
  if (tensors !== undefined && !isWithinLimits(tensors)) return false;
  return outputs.every((each) =>
    typeof each === "string" ? Object.hasOwn(inputErrors, each) : each.length === 0,
  );
}

function isWithinLimits({ bytes, chunks }: NonNullable<Completion["tensors"]>): boolean {
  return bytes > 0 && bytes <= tensorLimits.fileBytes && chunks.length <= tensorChunks;
}

/** How many of a query's inputs gave nothing but an error. */
export function errorCount(outputs: readonly PackedOutput[]): number {
  return outputs.filter((output) => typeof output === "string").length;
}

/** Whether a worker's output is one that a model of `classes` classes may have, or an error of the table. */
export function isPackedOutput(output: PackedOutput, classes: number): boolean {
  if (typeof output === "string") return Object.hasOwn(inputErrors, output);
  if (output.length === 0 || output.length % 2 !== 0 || output.length > 2 * classesLimit)
    return false;
  for (let i = 0; i < output.length; i += 2) {
    const label = output[i] ?? -1; // unreachable: the length is even
    const millionths = output[i + 1] ?? NaN; // unreachable: as above
    if (!Number.isInteger(label) || label < 0 || label >= classes) return false;
    if (!Number.isInteger(millionths) || Math.abs(millionths) > millionthsLimit) return false;
  }
  return true;
}

/**
 * An input's line of `results.ndjson`, without its line end. The same bytes that `JSON.stringify` gives for the parsed
 * line, so that tools which rewrite it do not change it.
 * @param labels the model's labels; a class without one is called by its number
 */
export function resultLine(input: string, output: PackedOutput, labels: readonly string[]): string {
  const head = `{"input":${JSON.stringify(input)}`;
  if (typeof output === "string") {
    const message = Object.hasOwn(inputErrors, output)
      ? inputErrors[output as InputErrorCode]
      : "unknown error";
    return `${head},"error":${JSON.stringify(output)},"message":${JSON.stringify(message)}}`;
  }
  const top: string[] = [];
  for (let i = 0; i + 1 < output.length; i += 2) {
    const [number = -1, millionths = 0] = output.slice(i, i + 2);
    const label = labels[number] ?? String(number);
    top.push(`{"label":${JSON.stringify(label)},"score":${decimal(millionths)}}`);
  }
  return `${head},"top":[${top.join(",")}]}`;
}

/** The line of an input of a model that gives arrays, as {@link resultLine}: which row of which file is its. */
export function tensorsLine(input: string, file: string, row: number): string {
  return `{"input":${JSON.stringify(input)},"tensors":{"file":${JSON.stringify(file)},"row":${row}}}`;
}

/** Millionths as a decimal number, from the digits: 912345 is 0.912345, 500000 is 0.5, 1000000 is 1. */
function decimal(millionths: number): string {
  const digits = String(Math.abs(millionths)).padStart(7, "0");
  const fraction = digits.slice(-6).replace(/0+$/, "");
  const sign = millionths < 0 ? "-" : "";
  return `${sign}${digits.slice(0, -6)}${fraction === "" ? "" : `.${fraction}`}`;
}
