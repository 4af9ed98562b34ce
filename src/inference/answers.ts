/**
 * What becomes of a network's answers over one query: classes go into messages, arrays into one file on this machine, since
 * they are too large for a message and must never be in the log.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { indexArray } from "../lib/model-io.ts";
import { bytesOfRow, type RowTensor } from "../lib/tensors.ts";
import { assert } from "../lib/types.ts";
import { npzOf } from "./npz.ts";
import type { ModelPlan } from "./protocol.ts";
import { inputOutput } from "./scores.ts";
import type { InputOutput, TensorsTo, WrittenTensors } from "./types.ts";
import { bytesOf, type Row } from "./values.ts";

export interface Answers {
  /** The outcome of one input of the query, by its place in it. Called in order. */
  take(place: number, row: Row): InputOutput;
  /**
   * The query is done.
   * @throws Error when its file cannot be written
   */
  end(): { readonly tensors?: WrittenTensors };
}

/** @param inputs of the query */
export function answersOf(
  { output }: Pick<ModelPlan, "output">,
  inputs: number,
  tensorsTo: TensorsTo | undefined,
): Answers {
  if (output.kind === "classes") {
    const options = { softmax: output.activation === "softmax", topK: output.topK };
    return {
      take: (_, [scores]) => {
        assert(scores instanceof Float32Array, "scores are float32");
        return inputOutput(scores, options);
      },
      end: () => ({}),
    };
  }
  assert(tensorsTo !== undefined, "a query for arrays says where they go");
  return new TensorFile(output.tensors, inputs, tensorsTo);
}

/** Gathers rows in order, and writes them as one array for each output beside the numbers of their inputs. */
class TensorFile implements Answers {
  readonly #to: TensorsTo;
  readonly #columns: readonly (RowTensor & { readonly rowBytes: number; readonly data: Buffer })[];
  readonly #numbers: bigint[] = [];

  constructor(outputs: readonly RowTensor[], inputs: number, to: TensorsTo) {
    this.#to = to;
    this.#columns = outputs.map((output) => {
      const rowBytes = bytesOfRow([output]);
      // Filled as rows come, so that the network's own memory need not be held until the end.
      return { ...output, rowBytes, data: Buffer.alloc(rowBytes * inputs) };
    });
  }

  take(place: number, row: Row): InputOutput {
    const number = this.#to.numbers[place];
    assert(number !== undefined, "each input of a query has its number");
    for (const [i, { rowBytes, data }] of this.#columns.entries()) {
      const values = row[i];
      assert(values?.byteLength === rowBytes, "a row has what the manifest says");
      data.set(bytesOf(values), this.#numbers.length * rowBytes);
    }
    this.#numbers.push(BigInt(number));
    return { kind: "row" };
  }

  end(): { readonly tensors?: WrittenTensors } {
    const rows = this.#numbers.length;
    if (rows === 0) return {};
    const index = bytesOf(BigInt64Array.from(this.#numbers));
    const pieces = npzOf([
      ...this.#columns.map(({ name, type, shape, rowBytes, data }) => ({
        name,
        type,
        shape: [rows, ...shape],
        data: data.subarray(0, rows * rowBytes),
      })),
      { name: indexArray, type: "int64" as const, shape: [rows], data: index },
    ]);
    const { path } = this.#to;
    writePieces(path, pieces);
    return { tensors: { path, bytes: pieces.reduce((sum, { length }) => sum + length, 0) } };
  }
}

/** One after the other: together they would be in memory twice. Not synced, since the daemon reads it at once. */
function writePieces(path: string, pieces: readonly Uint8Array[]): void {
  const file = openSync(path, "w");
  try {
    for (const piece of pieces) writeFileSync(file, piece);
  } finally {
    closeSync(file);
  }
}
