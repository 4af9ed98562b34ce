/**
 * The one door to sharp: an image file's bytes become sRGB bytes of the size the network wants.
 *
 * What is decided here decides result bytes:
 * - the EXIF orientation is applied; of an animation the first page counts
 * - grey, CMYK, palette and 16-bit images become 8-bit sRGB; embedded profiles of RGB images are ignored, as
 *   the tools that networks are trained with (PIL, TensorFlow) ignore them, which also halves the cost
 * - transparency is dropped, not laid over a background (again as PIL does)
 * - sharp's Lanczos-3 resampling, after shrinking inside the JPEG decoder: a function of the sizes alone
 */
import sharp, { type Sharp } from "sharp";
import { imageFormat } from "./image-format.ts";
import type { InputErrorCode } from "./types.ts";

// Every thread decodes several images at once on libuv's pool; a second level of threads would only contend.
sharp.concurrency(1);
// No input is decoded twice in a row, so a cache would only hold memory.
sharp.cache(false);

/** An encoded file above this is refused unread: it is held in memory while decoding. */
export const MAX_IMAGE_BYTES = 128 * 1024 * 1024;

/** 100 Mpixel: above any camera's, and 300 MB when decoded whole. */
const MAX_IMAGE_PIXELS = 100_000_000;

export interface Target {
  readonly width: number;
  readonly height: number;
  readonly resize: "fill" | "fit-left" | "crop";
  /** Only of `crop` (lib/model-manifest.ts). */
  readonly shortSide?: number | undefined;
}

export type DecodedImage =
  | {
      readonly kind: "pixels";
      /** width × height × 3 bytes, row by row, red green blue. */
      readonly rgb: Uint8Array;
      readonly width: number;
      readonly height: number;
    }
  | { readonly kind: "error"; readonly code: InputErrorCode };

/**
 * Decodes on libuv's pool, in one task, so that it goes on while the calling thread is inside the network.
 * With `fit-left` the result may be smaller than the target in one direction.
 * @throws Error when the machine, not the image, is at fault (out of memory)
 */
export async function decodeImage(bytes: Uint8Array, target: Target): Promise<DecodedImage> {
  if (bytes.length === 0) return { kind: "error", code: "unreadable" };
  if (imageFormat(bytes) === undefined) return { kind: "error", code: "unsupported" };
  try {
    const image = sharp(bytes, {
      autoOrient: true,
      ignoreIcc: true,
      // Cut-short and broken data is refused; mere warnings, such as bytes after the image, are not.
      failOn: "error",
      limitInputPixels: MAX_IMAGE_PIXELS,
    });
    const { data, info } = await resized(image, target)
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) return { kind: "error", code: "unsupported" };
    return { kind: "pixels", rgb: data, width: info.width, height: info.height };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Not a fact about the image, so it must not become a result.
    if (/out of memory|unable to allocate|failed to allocate/i.test(message)) throw error;
    return {
      kind: "error",
      code: /exceeds pixel limit/.test(message) ? "too_large" : "unreadable",
    };
  }
}

function resized(image: Sharp, { width, height, resize, shortSide }: Target): Sharp {
  switch (resize) {
    case "fill":
      return image.resize(width, height, { fit: "fill" });
    case "fit-left":
      return image.resize(width, height, { fit: "inside" });
    case "crop": {
      const scale = shortSide === undefined ? 1 : shortSide / Math.min(width, height);
      const box = { width: Math.round(width * scale), height: Math.round(height * scale) };
      const left = Math.round((box.width - width) / 2);
      const top = Math.round((box.height - height) / 2);
      return image
        .resize(box.width, box.height, { fit: "cover" })
        .extract({ left, top, width, height });
    }
  }
}
