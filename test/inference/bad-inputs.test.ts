import { crc32, deflateSync } from "node:zlib";
import test from "ava";
import sharp from "sharp";
import { Executor } from "../../src/inference/executor.ts";
import { MAX_IMAGE_BYTES } from "../../src/inference/image.ts";
import type { InputFile, InputOutput, LocalModel } from "../../src/inference/types.ts";
import { crops, Folder, photo, plain } from "./input-files.ts";
import { encodeModel, SIDE, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
const executor = await Executor.start({ slots: 2 });

const model = await writeModel(folder.path, encodeModel());
const infinite = await writeModel(folder.path, encodeModel({ behaviour: "infinite-on-white" }));
const [good] = await crops(1);
const goodInput = await folder.input(good!);
let queries = 0;

async function outputs(
  inputs: readonly InputFile[],
  of: LocalModel = model,
): Promise<readonly InputOutput[]> {
  queries += 1;
  const request = { id: `q${queries}`, model: of, inputs, timeoutMs: 60_000 };
  const result = await executor.run(request);
  if (result.kind !== "done") throw new Error(result.why);
  return result.outputs;
}
const output = async (bytes: Uint8Array): Promise<InputOutput | undefined> =>
  (await outputs([await folder.input(bytes)]))[0];

const small = sharp(await photo("nagasaki-boats")).resize(60, 40);

/** A PNG whose header promises `width` × `height` pixels. */
function pngOf(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(new Uint8Array(100))),
    chunk("IEND", new Uint8Array()),
  ]);
}

const jpeg = await photo("black-canyon");
const bad: readonly (readonly [what: string, bytes: Uint8Array, code: string])[] = [
  ["a JPEG cut in half", jpeg.subarray(0, jpeg.length / 2), "unreadable"],
  ["a JPEG of which only the start is there", jpeg.subarray(0, 50), "unreadable"],
  ["a PNG with a broken middle", Buffer.from(good!).fill(0, 200, 400), "unreadable"],
  ["an empty file", new Uint8Array(), "unreadable"],
  ["text", Buffer.from("this is no image"), "unsupported"],
  [
    "an SVG drawing",
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    "unsupported",
  ],
  ["a PNG of 60,000 × 60,000 pixels", pngOf(60_000, 60_000), "too_large"],
  ["an image for which the network has no finite answer", await plain(255), "wrong_output"],
];

test.after.always(async () => {
  await executor.close();
  await folder[Symbol.asyncDispose]();
});

for (const [what, bytes, code] of bad)
  test(`${what} is ${code}, and its neighbours do not notice`, async (t) => {
    const [alone] = await outputs([goodInput], infinite);
    t.is(alone?.kind, "classes");
    const badInput = await folder.input(bytes);
    const inputs = [goodInput, badInput, goodInput, badInput, badInput, goodInput, goodInput];
    const error = { kind: "error", code } as const;
    const wanted = inputs.map((input) => (input === badInput ? error : alone));
    t.deepEqual(await outputs(inputs, infinite), wanted as InputOutput[]);
  });

test("a file above the limit is refused unread", async (t) => {
  const parts = goodInput.parts.map((part) => ({ ...part, bytes: MAX_IMAGE_BYTES + 1 }));
  t.deepEqual(await outputs([{ parts, bytes: MAX_IMAGE_BYTES + 1 }]), [
    { kind: "error", code: "too_large" },
  ]);
});

const unusual: readonly (readonly [what: string, bytes: Promise<Uint8Array>])[] = [
  ["16-bit PNG", small.clone().toColourspace("rgb16").png().toBuffer()],
  ["CMYK JPEG", small.clone().toColourspace("cmyk").jpeg().toBuffer()],
  ["palette PNG", small.clone().png({ palette: true }).toBuffer()],
  ["WebP", small.clone().webp().toBuffer()],
  ["TIFF", small.clone().tiff().toBuffer()],
  ["AVIF", small.clone().avif({ effort: 0 }).toBuffer()],
];
for (const [what, bytes] of unusual)
  test(`a ${what} has classes`, async (t) => {
    t.is((await output(await bytes))?.kind, "classes");
  });

test("a grey image equals the same image in three equal channels", async (t) => {
  const grey = small.clone().greyscale();
  const one = await grey.clone().toColourspace("b-w").png().toBuffer();
  t.is((await sharp(one).metadata()).channels, 1);
  const three = await grey.clone().toColourspace("srgb").png().toBuffer();
  t.deepEqual(await output(one), await output(three));
});

test("transparency is dropped", async (t) => {
  const opaque = await small.clone().png().toBuffer();
  const alpha = await small.clone().ensureAlpha(1).png().toBuffer();
  t.is((await sharp(alpha).metadata()).channels, 4);
  t.deepEqual(await output(alpha), await output(opaque));
});

test("an EXIF orientation is applied", async (t) => {
  // Of the network's size: scaling before or after turning rounds differently.
  const upright = await small.clone().resize(SIDE, SIDE).png().toBuffer();
  // Orientation 6: to be turned a quarter clockwise to be shown; so store it turned the other way.
  const turned = await sharp(upright).rotate(270).withMetadata({ orientation: 6 }).png().toBuffer();
  t.is((await sharp(turned).metadata()).orientation, 6);
  t.deepEqual(await output(turned), await output(upright));
});

test("of an animation the first page counts", async (t) => {
  const frame = (grey: number): Buffer => Buffer.alloc(8 * 8 * 3, grey);
  const raw = { width: 8, height: 16, channels: 3, pageHeight: 8 } as const;
  const animated = await sharp(Buffer.concat([frame(40), frame(90)]), { raw })
    .gif()
    .toBuffer();
  t.is((await sharp(animated).metadata()).pages, 2);
  t.deepEqual(await output(animated), await output(await plain(40)));
});

test("small chunks may be in memory: the same answer, and damage is found as in a file", async (t) => {
  const inFile = await folder.input(good!, 100);
  const [first, second] = inFile.parts;
  const content = good!.subarray(100);
  const inMemory = { hash: second!.hash, bytes: content.length, content };
  const mixed = { parts: [first!, inMemory], bytes: good!.length };
  t.deepEqual(await outputs([mixed]), await outputs([inFile]));
  const spoilt = { ...inMemory, content: Buffer.from(content).fill(0, 0, 1) };
  const request = {
    id: "spoilt",
    model,
    timeoutMs: 60_000,
    inputs: [{ ...mixed, parts: [spoilt] }],
  };
  t.like(await executor.run(request), { kind: "damaged", hash: second!.hash });
});
