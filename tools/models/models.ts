/**
 * Puts the models and their manifests into a folder. What is there already and hashes to the pinned SHA-256
 * stays; everything else is made anew, and a file appears only when it is whole.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { ImageClassifier, ModelManifest } from "../../src/lib/model-manifest.ts";
import { type Recipe, recipes } from "./recipes.ts";

/** A model that lies ready. */
export interface ReadyModel {
  readonly manifest: ImageClassifier;
  readonly onnxFile: string;
  readonly manifestFile: string;
  readonly bytes: number;
  /** False when it was there already. */
  readonly made: boolean;
}

export interface MakeOptions {
  /** Names of the models wanted; all of them when left out. */
  readonly only?: readonly string[];
}

/**
 * Makes `NAME.onnx` and `NAME.json` for each model, one after the other.
 * @param dir created when missing
 * @throws NOT_FOUND for a name in `only` that no model has; BAD_MODEL when bytes hash to something else
 *   than is pinned, in which case nothing is written for that model
 */
export async function makeModels(
  dir: string,
  { only = recipes.map(({ manifest }) => manifest.name) }: MakeOptions = {},
): Promise<readonly ReadyModel[]> {
  const wanted = only.map((name) => recipeOf(name));
  await mkdir(dir, { recursive: true });
  const ready: ReadyModel[] = [];
  for (const recipe of wanted) ready.push(await makeModel(dir, recipe));
  return ready;
}

/** The text of a manifest file, the same for equal manifests. */
export function manifestText(manifest: ModelManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function recipeOf(name: string): Recipe {
  const recipe = recipes.find(({ manifest }) => manifest.name === name);
  if (recipe !== undefined) return recipe;
  const names = recipes.map(({ manifest }) => manifest.name).join(", ");
  throw new IDunnoError("NOT_FOUND", { kind: "model", name, remedy: `there are ${names}` });
}

/** Exported for tests: {@link makeModels} is what others call. */
export async function makeModel(dir: string, { manifest, make }: Recipe): Promise<ReadyModel> {
  const onnxFile = join(dir, `${manifest.name}.onnx`);
  const manifestFile = join(dir, `${manifest.name}.json`);
  const text = Buffer.from(manifestText(manifest));
  const ready = { manifest, onnxFile, manifestFile };

  const [there, thereText] = await Promise.all([existing(onnxFile), existing(manifestFile)]);
  if (there !== undefined && sha256(there) === manifest.sha256 && thereText?.equals(text) === true)
    return { ...ready, bytes: there.length, made: false };

  const onnx = await make();
  const got = sha256(onnx);
  if (got !== manifest.sha256)
    throw new IDunnoError("BAD_MODEL", {
      model: manifest.name,
      why:
        `the bytes made hash to ${got}, but recipes.ts pins ${manifest.sha256}; ` +
        "after a change that was meant, pin the new one and run 'npm run models:verify'",
    });
  // The manifest last: who finds one finds the model, too.
  await rm(manifestFile, { force: true });
  await writeWhole(onnxFile, onnx);
  await writeWhole(manifestFile, text);
  return { ...ready, bytes: onnx.length, made: true };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function existing(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(`${file}.${process.pid}.part`, bytes);
  await rename(`${file}.${process.pid}.part`, file);
}
