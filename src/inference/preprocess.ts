/**
 * Packs decoded pixels into a batch's tensor, as the manifest says. A channel has only 256 values, so the
 * float32 arithmetic is done once per value and model, and packing is a table look-up.
 */
import type { ImageTensor, Preprocessing } from "../lib/model-manifest.ts";

/** Decoded pixels, at most as large as the network's input. */
export interface Pixels {
  /** Red, green, blue; row by row. */
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A batch's tensor data, of the type that the network takes. */
export type Batch = Float32Array | Uint8Array;

/** All zeros. @param type as in the manifest: absent for float32 */
function batchOf(type: "uint8" | undefined, shape: readonly number[]): Batch {
  const length = shape.reduce((a, b) => a * b, 1);
  return type === "uint8" ? new Uint8Array(length) : new Float32Array(length);
}

/** Channels of the input tensor. */
export function channelsOf({ channelOrder }: Pick<Preprocessing, "channelOrder">): 1 | 3 {
  return channelOrder === "grey" ? 1 : 3;
}

export class Packer {
  readonly #input: ImageTensor;
  readonly #isGrey: boolean;
  /** Per place in the tensor: which of red, green, blue goes there, and what its byte becomes. */
  readonly #channels: readonly { readonly from: number; readonly table: Batch }[];
  /** Values of one image in the tensor. */
  readonly imageValues: number;

  constructor({
    input,
    preprocessing,
  }: {
    readonly input: ImageTensor;
    readonly preprocessing: Preprocessing;
  }) {
    this.#input = input;
    const channels = channelsOf(preprocessing);
    this.imageValues = channels * input.height * input.width;
    const { scale, mean, std, channelOrder } = preprocessing;
    this.#isGrey = channels === 1;
    this.#channels = Array.from({ length: channels }, (_, c) => ({
      from: channelOrder === "bgr" ? 2 - c : c,
      table:
        input.type === "uint8"
          ? Uint8Array.from({ length: 256 }, (__, v) => v)
          : channelTable(scale, mean[c] ?? 0, std[c] ?? 1),
    }));
  }

  /** Room for `n` images. */
  batch(n: number): Batch {
    return batchOf(this.#input.type, this.shape(n));
  }

  /** The tensor's shape for `n` images. */
  shape(n: number): readonly number[] {
    const { layout, height, width } = this.#input;
    const channels = this.#channels.length;
    return layout === "nchw" ? [n, channels, height, width] : [n, height, width, channels];
  }

  /** Writes one image at `index` of the batch, top left; what it does not cover becomes 0. */
  pack(pixels: Pixels, batch: Batch, index: number): void {
    const start = index * this.imageValues;
    const to = this.#input;
    const { width, height } = pixels;
    if (width < to.width || height < to.height) batch.fill(0, start, start + this.imageValues);
    const rgb = this.#isGrey ? greyed(pixels.rgb) : pixels.rgb;
    const pixelStep = to.layout === "nchw" ? 1 : this.#channels.length;
    const channelStep = to.layout === "nchw" ? to.height * to.width : 1;
    for (const [place, { from, table }] of this.#channels.entries()) {
      for (let y = 0; y < height; y += 1) {
        let source = y * width * 3 + from;
        let target = start + place * channelStep + y * to.width * pixelStep;
        for (let x = 0; x < width; x += 1) {
          batch[target] = table[rgb[source] ?? 0] ?? 0;
          source += 3;
          target += pixelStep;
        }
      }
    }
  }
}

/** The luma of each pixel in the place of its red: ITU-R 601 in PIL's fixed-point arithmetic, so that grey stays what it is. */
function greyed(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length);
  for (let i = 0; i + 2 < rgb.length; i += 3) {
    const [r = 0, g = 0, b = 0] = [rgb[i], rgb[i + 1], rgb[i + 2]];
    grey[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
  }
  return grey;
}

/** `(v * scale - mean) / std` for each byte, every step rounded to float32 as the manifest's formula says. */
function channelTable(scale: number, mean: number, std: number): Float32Array {
  const f = Math.fround;
  return Float32Array.from({ length: 256 }, (_, v) => f(f(v * f(scale)) - f(mean)) / f(std));
}
