/**
 * Any number of distinct photographs out of nine, for jobs that need hundreds of inputs. Photograph `k`
 * depends on `k` alone, so a folder can grow and a larger one begins with the smaller.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Random } from "../../src/lib/random.ts";
import { type Crop, cropToJpeg, openPicture, type Picture, type Size } from "./image.ts";
import { fileOf, sources, sourcesText } from "./sources.ts";

/** Change it with anything that changes pictures: photographs of another recipe are made anew. */
const recipe = "recipe 1";
/** High enough that a network sees no blocks, low enough for about 100 KB a photograph. */
const jpegQuality = 90;
/** Sharp works on threads of its own, of which libuv has four. */
const atOnce = 4;
/** Four digits keep the names in order; a bench needs hundreds. */
const most = 9999;
/** The long side of a photograph in pixels; the sources have 1,024. */
const longSide = { least: 500, most: 1024 };
/** How much of a source's width and height a crop shows at least, in percent: enough to tell what it is. */
const shownPercent = 45;
/** The darkest that a tint makes a colour channel, in percent. The sources are nearly grey; inputs should not be. */
const tintPercent = 70;

/**
 * Makes `photo-0001.jpg` to `photo-COUNT.jpg`, and beside the folder a statement of where they come from.
 * Photographs that are there already stay.
 * @param dir created when missing
 * @param count 1 to 9,999
 * @returns the files' paths in order
 */
export async function makePhotos(dir: string, count: number): Promise<readonly string[]> {
  if (!Number.isInteger(count) || count < 1 || count > most)
    throw new RangeError(`there can be 1 to ${most} photos, not ${count}`);
  await mkdir(dir, { recursive: true });
  const statement = sourcesFile(dir);
  const text = sourcesText(recipe);
  const keep = existsSync(statement) && (await readFile(statement, "utf8")) === text;
  // Taken away until all photographs are of this recipe, so that a run cut short is not believed.
  if (!keep) await rm(statement, { force: true });

  const files = Array.from({ length: count }, (_, index) => join(dir, photoName(index + 1)));
  const missing = [...files.entries()].filter(([, file]) => !keep || !existsSync(file));
  if (missing.length > 0) await fill(missing);
  if (!keep) await writeFile(statement, text);
  return files;
}

/** Beside the folder, not in it: whoever stores the folder stores pictures only. */
export function sourcesFile(dir: string): string {
  return `${resolve(dir)}.sources.md`;
}

/** `photo-0001.jpg` for 1. */
export function photoName(number: number): string {
  return `photo-${String(number).padStart(4, "0")}.jpg`;
}

/** Makes the files, given with their numbers from 0. */
async function fill(missing: readonly (readonly [number, string])[]): Promise<void> {
  // Each source is decoded once, and only if a photograph is cut from it.
  const opened = new Map<number, Promise<Picture>>();
  const originalOf = (index: number): Promise<Picture> => {
    const which = index % sources.length;
    const original = opened.get(which) ?? openPicture(fileOf(which));
    opened.set(which, original);
    return original;
  };
  // One iterator that several workers draw from.
  const work = missing.values();
  const worker = async (): Promise<void> => {
    for (const [index, file] of work)
      await makePhoto(file, await originalOf(index), new Random(index + 1));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function makePhoto(file: string, original: Picture, random: Random): Promise<void> {
  const jpeg = await cropToJpeg(original, chooseCrop(original, random), jpegQuality);
  await writeFile(`${file}.${process.pid}.part`, jpeg);
  await rename(`${file}.${process.pid}.part`, file);
}

function chooseCrop(original: Size, random: Random): Crop {
  const part = (length: number): number =>
    random.between(Math.ceil((length * shownPercent) / 100), length);
  const width = part(original.width);
  const height = part(original.height);
  const enlargement = random.between(longSide.least, longSide.most) / Math.max(width, height);
  const gain = (): number => random.between(tintPercent, 100) / 100;
  return {
    width,
    height,
    left: random.between(0, original.width - width),
    top: random.between(0, original.height - height),
    scaledTo: {
      width: Math.round(width * enlargement),
      height: Math.round(height * enlargement),
    },
    mirrored: random.chance(1, 2),
    gains: [gain(), gain(), gain()],
  };
}
