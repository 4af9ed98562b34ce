/** The one door to sharp for the tools: photographs out of photographs, pictures out of SVG, pixels out of files. */
import sharp from "sharp";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How a photograph is made from another: the part that is cut out, and what is done with it. */
export interface Crop extends Size {
  readonly left: number;
  readonly top: number;
  /** The size of the result, of the same proportions. */
  readonly scaledTo: Size;
  readonly mirrored: boolean;
  /** What red, green and blue are multiplied by, each at most 1. */
  readonly gains: readonly [number, number, number];
}

/** A decoded photograph: sRGB bytes, height × width × 3. */
export interface Picture extends Size {
  readonly pixels: Uint8Array;
}

export async function openPicture(file: string): Promise<Picture> {
  const { data, info } = await sharp(file)
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: data };
}

/** @param quality JPEG quality, 1 to 100 */
export async function cropToJpeg(
  { pixels, ...size }: Picture,
  { left, top, width, height, scaledTo, mirrored, gains }: Crop,
  quality: number,
): Promise<Buffer> {
  return sharp(pixels, { raw: { width: size.width, height: size.height, channels: 3 } })
    .extract({ left, top, width, height })
    .resize(scaledTo.width, scaledTo.height, { fit: "fill" })
    .flop(mirrored)
    .linear([...gains], [0, 0, 0])
    .jpeg({ quality })
    .toBuffer();
}

export async function svgToPng(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
}

/** The image as sRGB bytes, height × width × 3, stretched to the size wanted. */
export async function decodeRgb(file: string, { width, height }: Size): Promise<Uint8Array> {
  return sharp(file)
    .removeAlpha()
    .toColourspace("srgb")
    .resize(width, height, { fit: "fill" })
    .raw()
    .toBuffer();
}
