/**
 * Pictures of one word, upright or turned by 180 degrees: inputs with known answers for `text_orientation`,
 * so that its accuracy can be measured. The letters are strokes of our own, hence the same on every machine.
 */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "../../src/lib/random.ts";
import { wordPath } from "./glyphs.ts";
import { svgToPng } from "./image.ts";

export interface TextImage {
  readonly file: string;
  /** The label that `text_orientation` should give: the degrees by which the word is turned. */
  readonly answer: "0" | "180";
}

/** Of 4 to 7 letters, so that a picture is at most four times as wide as high, which the network takes whole. */
const words =
  "BRIDGE BUTTER CARPET DRAGON FLOWER FOREST GARDEN GUITAR HARBOR JACKET JUNGLE KETTLE LADDER LEMON MARKET MIRROR ORANGE PALACE PAPER PEPPER PIRATE RABBIT RIVER ROCKET STREET TABLE TEMPLE TIGER TRAVEL TURTLE VALLEY VELVET WATER WINTER YELLOW".split(
    " ",
  );
const digits = "123457";
/** As high as the network's input, so that nothing is scaled. */
const height = 48;
const widest = 4 * height;
/** As many digits as these need keep the names in order; more when there are more images. */
const leastDigits = 4;
/** Arbitrary: a hundred thousand take minutes. */
const most = 99_999;

/**
 * Makes `text-0001.png` (with five digits where there are that many) to `text-COUNT.png` and `ANSWERS.csv` (`file,answer`). Half of them, in no order,
 * are upside down. Image `k` depends on `k` alone. All are written each time: it takes 2 ms an image.
 * @param dir created when missing
 * @param count 1 to 99,999
 */
export async function makeTextImages(dir: string, count: number): Promise<readonly TextImage[]> {
  if (!Number.isInteger(count) || count < 1 || count > most)
    throw new RangeError(`there can be 1 to ${most} text images, not ${count}`);
  await mkdir(dir, { recursive: true });
  const digitsOfNames = Math.max(leastDigits, String(count).length);
  const images: TextImage[] = [];
  const answers = ["file,answer"];
  for (let number = 1; number <= count; number += 1) {
    const random = new Random(number);
    const answer = random.chance(1, 2) ? "180" : "0";
    const name = `text-${String(number).padStart(digitsOfNames, "0")}.png`;
    const file = join(dir, name);
    await writeFile(`${file}.${process.pid}.part`, await svgToPng(drawing(random, answer)));
    await rename(`${file}.${process.pid}.part`, file);
    images.push({ file, answer });
    answers.push(`${name},${answer}`);
  }
  await writeFile(join(dir, "ANSWERS.csv"), `${answers.join("\n")}\n`);
  return images;
}

/** A word in dark on light or light on dark, of any thickness, slightly slanted and not quite level. */
function drawing(random: Random, answer: TextImage["answer"]): string {
  const word = wordPath(text(random));
  const margin = random.between(6, 9);
  const unit = Math.min((height - 2 * margin) / 6, (widest - 2 * margin) / word.width);
  const width = Math.round(word.width * unit) + 2 * margin;
  const stroke = random.between(7, 12) / 10;
  const dark = `hsl(${random.between(0, 359)} ${random.between(20, 90)}% ${random.between(5, 25)}%)`;
  const light = `hsl(${random.between(0, 359)} ${random.between(20, 90)}% ${random.between(80, 97)}%)`;
  const [ink, paper] = random.chance(3, 4) ? [dark, light] : [light, dark];
  const tilt = random.between(-20, 20) / 10;
  const slant = random.between(-10, 5);
  const centre = `${width / 2} ${height / 2}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
<rect width="100%" height="100%" fill="${paper}"/>
<g transform="rotate(${Number(answer) + tilt} ${centre}) translate(${centre}) skewX(${slant}) scale(${unit.toFixed(4)}) translate(${-word.width / 2} -3)"
 fill="none" stroke="${ink}" stroke-width="${stroke}" stroke-linecap="round" stroke-linejoin="round">${word.path}</g>
</svg>`;
}

/** A word, sometimes with a digit behind it. */
function text(random: Random): string {
  const word = random.pick(words) ?? "";
  const digit = digits[random.between(0, digits.length - 1)] ?? "";
  return word.length < 7 && random.chance(1, 3) ? word + digit : word;
}
