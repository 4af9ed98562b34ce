/** What kinds of networks can be fed and read: grey and uint8 inputs, ways of resizing, outputs among several. */
import test from "ava";
import sharp from "sharp";
import { Executor } from "../../src/inference/executor.ts";
import { decodeImage, type Target } from "../../src/inference/image.ts";
import type { InputOutput, LocalModel } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import type { ModelManifest } from "../../src/lib/model-manifest.ts";
import { Folder, photo, plain } from "./input-files.ts";
import { encodeModel, manifestOf, SIDE, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
const executor = await Executor.start({ slots: 1 });
const floats = encodeModel();
const { input, output, preprocessing } = manifestOf(floats);
const bytesAsTheyAre = { ...preprocessing, scale: 1 };
const cat = await folder.input(await photo("locomotion-house-cat"));
const many = [
  cat,
  ...(await Promise.all([9, 99, 255].map(async (v) => folder.input(await plain(v))))),
];

test.after.always(async () => {
  await executor.close();
  await folder[Symbol.asyncDispose]();
});

let queries = 0;

async function outputs(model: LocalModel): Promise<readonly InputOutput[]> {
  queries += 1;
  const id = `q${queries}`;
  const result = await executor.run({ id, model, inputs: many, timeoutMs: 60_000 });
  if (result.kind !== "done") throw new Error(result.why);
  return result.outputs;
}

const model = async (bytes: Uint8Array, change: Partial<ModelManifest> = {}): Promise<LocalModel> =>
  writeModel(folder.path, bytes, change);

test("a uint8 input gives what the same network gives for the same bytes as floats", async (t) => {
  const asFloats = await outputs(await model(floats, { preprocessing: bytesAsTheyAre }));
  const asBytes = await outputs(
    await model(encodeModel({ isUint8: true }), {
      preprocessing: bytesAsTheyAre,
      input: { ...input, type: "uint8" },
    }),
  );
  t.deepEqual(asBytes, asFloats);
  t.true(asFloats.every(({ kind }) => kind === "classes"));
});

test("a network of one channel gets grey, in either layout", async (t) => {
  const grey = { ...preprocessing, channelOrder: "grey" as const };
  const planes = await outputs(
    await model(encodeModel({ image: [1, SIDE, SIDE] }), { preprocessing: grey }),
  );
  const pixels = await outputs(
    await model(encodeModel({ image: [SIDE, SIDE, 1] }), {
      preprocessing: grey,
      input: { ...input, layout: "nhwc" },
    }),
  );
  // With one channel the two layouts are the same bytes.
  t.deepEqual(planes, pixels);
  t.true(planes.every(({ kind }) => kind === "classes"));
});

test("scores with ones behind the classes are scores", async (t) => {
  const ones = await model(encodeModel({ hasOnes: true }), { output: { ...output, name: "ones" } });
  t.deepEqual(await outputs(ones), await outputs(await model(floats)));
});

test("of several outputs the one that the manifest names counts", async (t) => {
  const bytes = encodeModel({ hasLogits: true });
  const of = async (name: string) => outputs(await model(bytes, { output: { ...output, name } }));
  // They are the same values: the plain network ends in an identity.
  t.deepEqual(await of("logits"), await of("scores"));
});

for (const [what, change, why] of [
  [
    "uint8 that is normalised",
    { input: { ...input, type: "uint8" }, preprocessing },
    /input is uint8, so its scale must be 1/,
  ],
  [
    "floats for bytes",
    { input: { ...input, type: "uint8" }, preprocessing: bytesAsTheyAre },
    /image \(float32 .*is not \[N, 3, 16, 16\] of uint8/,
  ],
  ["a std of 0", { preprocessing: { ...preprocessing, std: [1, 0, 1] } }, /std of 0/],
  [
    "a short side without cropping",
    { preprocessing: { ...preprocessing, shortSide: 20 } },
    /belongs to the resize mode crop, not fill/,
  ],
  [
    "a short side that is too short",
    { preprocessing: { ...preprocessing, resize: "crop", shortSide: SIDE - 1 } },
    /nothing could be cut out/,
  ],
  [
    "grey for colours",
    { preprocessing: { ...preprocessing, channelOrder: "grey" } },
    /is not \[N, 1, 16, 16\]/,
  ],
] as readonly (readonly [string, Partial<ModelManifest>, RegExp])[])
  test(`a manifest with ${what} is refused`, async (t) => {
    const error = await t.throwsAsync(executor.load(await model(floats, change)));
    t.true(hasCode(error, "BAD_MODEL"), String(error));
    t.regex(error?.message ?? "", why);
  });

/** 400 × 200, green in the middle, red to the left and blue to the right of it, 40 rows of black above and below. */
async function striped(): Promise<Buffer> {
  const pixels = Buffer.alloc(400 * 200 * 3);
  for (let y = 40; y < 160; y += 1)
    for (let x = 0; x < 400; x += 1)
      pixels[(y * 400 + x) * 3 + (x < 100 ? 0 : x < 300 ? 1 : 2)] = 255;
  return sharp(pixels, { raw: { width: 400, height: 200, channels: 3 } })
    .png()
    .toBuffer();
}

/** The colours of a row, each named once: r, g, b or k. */
async function row(bytes: Uint8Array, target: Target, y: number): Promise<string> {
  const image = await decodeImage(bytes, target);
  if (image.kind === "error") return image.code;
  const { rgb, width, height } = image;
  if (width !== target.width || height !== target.height) return `${width}x${height}`;
  let colours = "";
  for (let x = 0; x < width; x += 1) {
    const [r = 0, g = 0, b = 0] = rgb.subarray((y * width + x) * 3);
    const colour = r > 128 ? "r" : g > 128 ? "g" : b > 128 ? "b" : "k";
    if (!colours.endsWith(colour)) colours += colour;
  }
  return colours;
}

test("crop keeps the proportions and cuts the middle out of what has the short side asked for", async (t) => {
  const image = await striped();
  const to = { width: 20, height: 20 };
  t.is(await row(image, { ...to, resize: "fill" }, 10), "rgb");
  const crop = { ...to, resize: "crop" } as const;
  t.is(await row(image, crop, 10), "g");
  t.is(await row(image, crop, 0), "k");
  // The middle half of the height: rows 50 to 150.
  t.is(await row(image, { ...crop, shortSide: 40 }, 0), "g");
  // All of the width, at half its height.
  t.is(await row(image, { width: 40, height: 10, resize: "crop" }, 5), "rgb");
  // Small images are enlarged first.
  t.is(await row(image, { width: 260, height: 280, resize: "crop" }, 140), "g");
});

test("crop goes by the image as it is to be seen", async (t) => {
  const turned = await sharp(await striped())
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  // Turned to the right the colours stand below each other, black beside them.
  const crop = { width: 20, height: 20, resize: "crop" } as const;
  t.is(await row(turned, crop, 10), "kgk");
  t.is(await row(turned, crop, 0), "kgk");
});
