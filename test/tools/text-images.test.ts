import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { makeModels } from "../../tools/models/models.ts";
import { OnnxSession } from "../../tools/models/onnx-session.ts";
import { openPicture } from "../../tools/photos/image.ts";
import { makeTextImages } from "../../tools/photos/text-images.ts";

const dir = await mkdtemp(join(tmpdir(), "idunno-text-"));
test.after.always(() => rm(dir, { recursive: true }));

/** What the manifest of `text_orientation` asks for; the images are as high as the input already. */
async function tensorOf(file: string): Promise<Float32Array> {
  const [height, width] = [48, 192];
  const picture = await openPicture(file);
  const values = new Float32Array(3 * height * width);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < picture.width; x += 1)
      for (let c = 0; c < 3; c += 1) {
        const value = picture.pixels[(y * picture.width + x) * 3 + 2 - c] ?? 0;
        values[(c * height + y) * width + x] = (value / 255 - 0.5) / 0.5;
      }
  return values;
}

test("the classifier tells nearly all words that are upside down from those that are not", async (t) => {
  const [model] = await makeModels(dir, { only: ["text_orientation"] });
  if (model === undefined) return t.fail();
  const { labels, output } = model.manifest;
  const session = await OnnxSession.open(await readFile(model.onnxFile));
  const images = await makeTextImages(dir, 100);
  let right = 0;
  for (const { file, answer } of images) {
    const [scores] = await session.run({ shape: [1, 3, 48, 192], values: await tensorOf(file) }, [
      output.name,
    ]);
    const [upright = 0, turned = 0] = scores?.values ?? [];
    if (labels[turned > upright ? 1 : 0] === answer) right += 1;
  }
  await session.close();
  const turnedCount = images.filter(({ answer }) => answer === "180").length;
  t.true(turnedCount > 35 && turnedCount < 65, `${turnedCount} of 100 are turned`);
  t.true(right >= 98, `${right} of 100 are right`);
});

test("words are distinct, the same each time, and their answers are written beside them", async (t) => {
  const [a, b] = [join(dir, "a"), join(dir, "b")];
  const first = await makeTextImages(a, 30);
  const second = await makeTextImages(b, 31);
  const bytes = await Promise.all(first.map(({ file }) => readFile(file)));
  t.is(new Set(bytes.map((content) => content.toString("base64"))).size, 30);
  for (const [i, content] of bytes.entries())
    t.deepEqual(await readFile(second[i]?.file ?? ""), content);
  const lines = (await readFile(join(a, "ANSWERS.csv"), "utf8")).trimEnd().split("\n");
  t.deepEqual(lines.slice(0, 2), ["file,answer", `text-0001.png,${first[0]?.answer}`]);
  t.is(lines.length, 31);
});
