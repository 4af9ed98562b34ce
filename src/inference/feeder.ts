/**
 * From an input file to the tensors that a network takes: images are decoded, arrays are checked against the manifest. What
 * cannot be taken becomes an error record and never enters a run.
 */
import type { ArrayInput, ImageInput, ModelIo } from "../lib/model-io.ts";
import { bytesOfRow, type RowTensor, valuesOfRow } from "../lib/tensors.ts";
import { assert } from "../lib/types.ts";
import { decodeImage, type Target } from "./image.ts";
import { isNpz, Npz } from "./npz.ts";
import { npyHeaderLimit, readNpy } from "./npy.ts";
import { type Batch, Packer, type Pixels } from "./preprocess.ts";
import type { InputErrorCode } from "./types.ts";
import { bytesOf, type Feed, zeros } from "./values.ts";

/** An input that is ready for the network. */
export type Item =
  | ({ readonly kind: "pixels" } & Pixels)
  | {
      readonly kind: "arrays";
      /** Little-endian values, one of each of the network's inputs in the manifest's order. */
      readonly arrays: readonly Uint8Array[];
    };

export type Prepared = Item | { readonly kind: "error"; readonly code: InputErrorCode };

export interface Feeder {
  /** Bytes of an input that is ready: matters only where it is huge. */
  readonly readyBytes: number;
  /** @throws Error when the machine, not the input, is at fault */
  prepare(file: Uint8Array): Promise<Prepared>;
  /** Room for a run of `n` inputs: zeros. */
  room(n: number): readonly Feed[];
  /** Writes an input in its place. */
  pack(item: Item, room: readonly Feed[], index: number): void;
}

export function feederOf({ input }: Pick<ModelIo, "input">): Feeder {
  return input.kind === "image" ? new ImageFeeder(input) : new ArrayFeeder(input);
}

/** What an image is decoded to. */
export function targetOf({ input, preprocessing }: ImageInput): Target {
  const { width, height } = input;
  const { resize, shortSide } = preprocessing;
  return { width, height, resize, shortSide };
}

class ImageFeeder implements Feeder {
  readonly #name: string;
  readonly #target: Target;
  readonly #packer: Packer;
  readonly readyBytes: number;

  constructor(input: ImageInput) {
    this.#name = input.input.name;
    this.#target = targetOf(input);
    this.#packer = new Packer(input);
    this.readyBytes = this.#packer.imageValues;
  }

  prepare(file: Uint8Array): Promise<Prepared> {
    return decodeImage(file, this.#target);
  }

  room(n: number): readonly Feed[] {
    const values = this.#packer.batch(n);
    const type = values instanceof Uint8Array ? "uint8" : "float32";
    return [{ name: this.#name, type, shape: this.#packer.shape(n), values }];
  }

  pack(item: Item, room: readonly Feed[], index: number): void {
    assert(item.kind === "pixels", "an image is prepared as pixels");
    // Made by `room`, so it is one of the two.
    this.#packer.pack(item, room[0]?.values as Batch, index);
  }
}

class ArrayFeeder implements Feeder {
  readonly #tensors: readonly RowTensor[];
  readonly readyBytes: number;

  constructor({ tensors }: ArrayInput) {
    this.#tensors = tensors;
    this.readyBytes = bytesOfRow(tensors);
  }

  /** A `.npz` file with an array for each input, by its name; or a `.npy` file, where there is one input only. */
  async prepare(file: Uint8Array): Promise<Prepared> {
    const [first, ...others] = this.#tensors;
    if (!isNpz(file)) {
      if (first === undefined || others.length > 0) {
        const read = readNpy(file);
        return { kind: "error", code: read.kind === "error" ? read.code : "missing_array" };
      }
      const array = rowIn(file, first);
      return "code" in array ? array : { kind: "arrays", arrays: [array] };
    }
    const archive = Npz.read(file);
    if (archive === undefined) return { kind: "error", code: "not_an_array" };
    const arrays: Uint8Array[] = [];
    for (const tensor of this.#tensors) {
      const found = archive.file(tensor.name, bytesOfRow([tensor]) + npyHeaderLimit);
      if (found === undefined) return { kind: "error", code: "missing_array" };
      const array = found.kind === "error" ? found : rowIn(found.bytes, tensor);
      if ("code" in array) return array;
      arrays.push(array);
    }
    return { kind: "arrays", arrays };
  }

  room(n: number): readonly Feed[] {
    return this.#tensors.map((tensor) => ({
      name: tensor.name,
      type: tensor.type,
      shape: [n, ...tensor.shape],
      values: zeros(tensor.type, n * valuesOfRow(tensor)),
    }));
  }

  pack(item: Item, room: readonly Feed[], index: number): void {
    assert(item.kind === "arrays", "an array is prepared as arrays");
    for (const [i, { values }] of room.entries()) {
      const array = item.arrays[i];
      assert(array !== undefined, "there is an array for each input");
      bytesOf(values).set(array, index * array.length);
    }
  }
}

/** The values of a `.npy` file that has one row of this, with or without a leading 1. */
function rowIn(
  file: Uint8Array,
  tensor: RowTensor,
): Uint8Array | { readonly kind: "error"; readonly code: InputErrorCode } {
  const read = readNpy(file);
  if (read.kind === "error") return read;
  const { type, shape, data } = read.array;
  if (type !== tensor.type) return { kind: "error", code: "wrong_type" };
  const isRow = equal(shape, tensor.shape) || equal(shape, [1, ...tensor.shape]);
  return isRow ? data : { kind: "error", code: "wrong_shape" };
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
