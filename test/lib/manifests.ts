/** Manifests of networks that need not exist. */
import type { ImageClassifier } from "../../src/lib/model-manifest.ts";

/** Pixels as they are. */
export const asTheyAre: ImageClassifier["preprocessing"] = {
  resize: "fill",
  channelOrder: "rgb",
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/** A network of two classes. */
export function smallManifest(name: string, more: Partial<ImageClassifier> = {}): ImageClassifier {
  return {
    format: 1,
    name,
    sha256: "ab".repeat(32),
    input: { name: "x", layout: "nchw", height: 2, width: 2 },
    output: { name: "y", classes: 2, activation: "none" },
    preprocessing: asTheyAre,
    labels: [],
    topK: 1,
    source: "a test",
    ...more,
  };
}
