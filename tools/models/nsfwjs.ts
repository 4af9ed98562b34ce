/**
 * The one door to nsfwjs, whose two Keras models are wrapped in JavaScript files, weights in base64.
 * Only its `models/*` entries are loaded: the package's main entry would start TensorFlow.js.
 */
import { InceptionV3Model } from "nsfwjs/models/inception_v3";
import { MobileNetV2Model } from "nsfwjs/models/mobilenet_v2";
import type { KerasFiles } from "./keras.ts";

export type NsfwjsModel = "inception_v3" | "mobilenet_v2";

/** The classes in the order of the outputs: `NSFW_CLASSES` of nsfwjs 4.3.0 (`dist/esm/nsfw_classes.js`). */
export const nsfwjsLabels: readonly string[] = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"];

/** What the entries export; the package's own types do not resolve in an ES module. */
interface Definition {
  readonly modelJson: () => Promise<{ readonly default: unknown }>;
  readonly weightBundles: readonly (() => Promise<{ readonly default: string }>)[];
}

const definitions: Readonly<Record<NsfwjsModel, Definition>> = {
  inception_v3: InceptionV3Model,
  mobilenet_v2: MobileNetV2Model,
};

/** The model's topology and weight bytes, as TensorFlow.js would fetch them. */
export async function nsfwjsFiles(model: NsfwjsModel): Promise<KerasFiles> {
  const { modelJson, weightBundles } = definitions[model];
  const shards = await Promise.all(weightBundles.map((load) => load()));
  return {
    name: model,
    modelJson: (await modelJson()).default,
    weightData: Buffer.concat(shards.map((shard) => Buffer.from(shard.default, "base64"))),
  };
}
