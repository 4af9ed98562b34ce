/**
 * Packs decoded pixels into a batch's tensor, as the manifest says. A channel has only 256 values, so the
 * float32 arithmetic is done once per value and model, and packing is a table look-up.
 */
import type { ModelManifest } from "../lib/model-manifest.ts";

/** Decoded pixels, at most as large as the network's input. */
export interface Pixels {
  /** Red, green, blue; row by row. */
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export class Packer {
  readonly #input: ModelManifest["input"];
  /** Per place in the tensor: which of red, green, blue goes there, and what its byte becomes. */
  readonly #channels: readonly { readonly from: number; readonly table: Float32Array }[];
  /** Floats of one image. */
  readonly imageFloats: number;

  constructor({ input, preprocessing }: Pick<ModelManifest, "input" | "preprocessing">) {
    this.#input = input;
    this.imageFloats = 3 * input.height * input.width;
    const { scale, mean, std, channelOrder } = preprocessing;
    this.#channels = [0, 1, 2].map((c) => ({
      from: channelOrder === "rgb" ? c : 2 - c,
      table: channelTable(scale, mean[c] ?? 0, std[c] ?? 1),
    }));
  }

  /** The tensor's shape for `n` images. */
  shape(n: number): readonly number[] {
    const { layout, height, width } = this.#input;
    return layout === "nchw" ? [n, 3, height, width] : [n, height, width, 3];
  }

  /** Writes one image at `index` of the batch, top left; what it does not cover becomes 0. */
  pack({ rgb, width, height }: Pixels, batch: Float32Array, index: number): void {
    const start = index * this.imageFloats;
    const to = this.#input;
    if (width < to.width || height < to.height) batch.fill(0, start, start + this.imageFloats);
    const pixelStep = to.layout === "nchw" ? 1 : 3;
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

/** `(v * scale - mean) / std` for each byte, every step rounded to float32 as the manifest's formula says. */
function channelTable(scale: number, mean: number, std: number): Float32Array {
  const f = Math.fround;
  return Float32Array.from({ length: 256 }, (_, v) => f(f(v * f(scale)) - f(mean)) / f(std));
}
