/**
 * `npm run models:verify`: runs TensorFlow.js on nsfwjs's own files and onnxruntime on ours, on the same
 * pixels of the same photographs, and fails when they are further apart than rounding explains.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { decodeRgb } from "../photos/image.ts";
import { makePhotos } from "../photos/photos.ts";
import { compare, limits, withinLimits } from "./comparison.ts";
import { makeModels } from "./models.ts";
import { nsfwjsFiles, type NsfwjsModel } from "./nsfwjs.ts";
import { unitRange } from "./pixels.ts";

/** Two of each source and two more: enough for the worst case to settle, and done in half a minute. */
const photoCount = 20;
const names: readonly NsfwjsModel[] = ["mobilenet_v2", "inception_v3"];

const build = (folder: string): string =>
  fileURLToPath(new URL(`../../../build/${folder}/`, import.meta.url));

const photos = await makePhotos(build("photos"), photoCount);
const models = await makeModels(build("models"), { only: names });

console.log(`${photoCount} photos, TensorFlow.js (wasm, 1 thread) against onnxruntime (1 thread)`);
for (const [index, name] of names.entries()) {
  const model = models[index];
  if (model === undefined) throw new RangeError(`${name} was not made`);
  const start = performance.now();
  const size = model.manifest.input.width;
  const images = await Promise.all(
    photos.map(async (file) => unitRange(await decodeRgb(file, { width: size, height: size }))),
  );
  const original = await nsfwjsFiles(name);
  const differences = await compare({
    original,
    onnx: await readFile(model.onnxFile),
    images,
    size,
  });
  const passed = withinLimits(differences);
  if (!passed) process.exitCode = 1;
  console.log(`${name}: ${passed ? "passed" : "FAILED"} in ${seconds(start)} s`);
  console.log(`  probabilities ${line(differences.probabilities, limits.probabilities)}`);
  console.log(
    `  logits        ${line(differences.logits, limits.logits)}, largest logit ${differences.largestLogit.toFixed(2)}`,
  );
}

function line(difference: number, limit: number): string {
  return `max abs difference ${difference.toExponential(2)} (limit ${limit.toExponential()})`;
}

function seconds(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(1);
}
