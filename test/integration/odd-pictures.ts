/**
 * Files as they lie in real folders of pictures: broken ones, and such as need more than decoding eight bits of red, green
 * and blue. Each of the latter beside a plain picture of the same pixels, which has to have the same answer.
 */
import sharp, { type Sharp } from "sharp";
import type { InputErrorCode } from "../../src/scheduler/results.ts";

export interface OddPicture {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly expected:
    | { readonly kind: "error"; readonly code: InputErrorCode }
    /** `within`: how far a score may lie from that of the plain picture; 0: the same to the last digit. */
    | { readonly kind: "as"; readonly plain: Uint8Array; readonly within: number };
}

/**
 * What may lie between two pictures that differ by rounding: they were scaled before and after turning, at 16 bits and at 8,
 * or written as JPEG once more.
 */
const rounding = 0.02;
/** CMYK has no place for some colours of a screen. */
const otherColours = 0.1;
/** As pictures are shown that a camera held upright took: turn a quarter clockwise. */
const turnedOrientation = 6;
/** 400 Mpixel: four times the limit, in less than a megabyte. */
const hugeSide = 20_000;
/** What a network of 224 × 224 pixels takes without scaling. */
const exactSide = 224;

/** @param photo a JPEG of some hundred pixels a side or more */
export async function oddPictures(photo: Uint8Array): Promise<OddPicture[]> {
  const exact = await plainPng(sharp(photo).resize(exactSide, exactSide, { fit: "cover" }));
  const whole = await plainPng(sharp(photo));
  return [
    ...(await broken(photo)),
    ...(await unusual("exact", exact, 0)),
    ...(await unusual("whole", whole, rounding)),
  ];
}

async function broken(photo: Uint8Array): Promise<OddPicture[]> {
  const error = (name: string, bytes: Uint8Array, code: InputErrorCode): OddPicture => {
    return { name, bytes, expected: { kind: "error", code } };
  };
  return [
    error("cut-short.jpg", photo.subarray(0, photo.length / 2), "unreadable"),
    error("text.jpg", Buffer.from("Dear customer, your pictures are ready.\n"), "unsupported"),
    error("huge.png", await huge(), "too_large"),
    error("empty.jpg", new Uint8Array(), "unreadable"),
  ];
}

/** One colour all over. */
async function huge(): Promise<Uint8Array> {
  const background = { r: 40, g: 90, b: 160 };
  const create = { width: hugeSide, height: hugeSide, channels: 3, background } as const;
  return sharp({ create, limitInputPixels: false })
    .toColourspace("b-w")
    .png({ compressionLevel: 1, adaptiveFiltering: false })
    .toBuffer();
}

/** @param within how near answers have to be where the pixels are the same */
async function unusual(size: string, plain: Uint8Array, within: number): Promise<OddPicture[]> {
  const odd = (
    name: string,
    bytes: Uint8Array,
    same: Uint8Array,
    tolerance = within,
  ): OddPicture => {
    return {
      name: `${size}-${name}`,
      bytes,
      expected: { kind: "as", plain: same, within: tolerance },
    };
  };
  const animation = await animated(plain);
  const sideways = await turned(plain);
  return [
    odd("animated.gif", animation, await plainPng(sharp(animation, { pages: 1 }))),
    odd("16-bit.png", await sixteenBit(plain), plain),
    odd("turned.jpg", sideways, await plainPng(sharp(sideways).autoOrient())),
    odd("cmyk.jpg", await cmyk(plain), plain, otherColours),
  ];
}

function plainPng(image: Sharp): Promise<Uint8Array> {
  return image.removeAlpha().toColourspace("srgb").png({ compressionLevel: 1 }).toBuffer();
}

/** Two frames, the second of other colours. */
async function animated(plain: Uint8Array): Promise<Uint8Array> {
  const { data, info } = await sharp(plain).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const frames = Buffer.concat([data, data.map((value) => 255 - value)]);
  const raw = { width, height: 2 * height, channels, pageHeight: height } as const;
  const bytes = await sharp(frames, { raw }).gif().toBuffer();
  return checked(bytes, ({ pages }) => pages === 2, "an animation of two frames");
}

async function sixteenBit(plain: Uint8Array): Promise<Uint8Array> {
  const bytes = await sharp(plain).toColourspace("rgb16").png({ compressionLevel: 1 }).toBuffer();
  return checked(bytes, ({ depth }) => depth === "ushort", "a PNG of 16 bits");
}

async function turned(plain: Uint8Array): Promise<Uint8Array> {
  const bytes = await sharp(plain)
    .rotate(270)
    .withMetadata({ orientation: turnedOrientation })
    .jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
    .toBuffer();
  const isTurned = ({ orientation }: Metadata): boolean => orientation === turnedOrientation;
  return checked(bytes, isTurned, "a JPEG that lies on its side");
}

async function cmyk(plain: Uint8Array): Promise<Uint8Array> {
  const bytes = await sharp(plain).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
  return checked(bytes, ({ space }) => space === "cmyk", "a JPEG of four inks");
}

type Metadata = Awaited<ReturnType<Sharp["metadata"]>>;

/** What is not what it says would test nothing. */
async function checked(
  bytes: Uint8Array,
  is: (metadata: Metadata) => boolean,
  what: string,
): Promise<Uint8Array> {
  const metadata = await sharp(bytes).metadata();
  if (!is(metadata)) throw new TypeError(`not ${what}: ${JSON.stringify(metadata)}`);
  return bytes;
}
