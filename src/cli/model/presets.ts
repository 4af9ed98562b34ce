/** The usual ways in which networks were trained to see pixels, by the names that people know them by. */
import type { Preprocessing } from "../../lib/model-manifest.ts";

export const presets = ["imagenet", "caffe", "tf", "unit", "byte"] as const;
export type Preset = (typeof presets)[number];

export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** What each is for, for `--help` and for errors. */
export const presetMeanings: Readonly<Record<Preset, string>> = {
  imagenet: "ImageNet mean and deviation, RGB, centre crop",
  caffe: "ImageNet mean subtracted from 0..255, BGR, centre crop",
  tf: "-1..1",
  unit: "0..1",
  byte: "0..255 as they are",
};

/** @param size of the input: a cropping preset shrinks to 256 for 224, as torchvision does, and in proportion for others */
export function preprocessingOf(preset: Preset, { height, width }: ImageSize): Preprocessing {
  const cropped = {
    resize: "crop",
    shortSide: Math.round((Math.min(height, width) * 256) / 224),
  } as const;
  const stretched = { resize: "fill", channelOrder: "rgb" } as const;
  switch (preset) {
    case "imagenet":
      return {
        ...cropped,
        channelOrder: "rgb",
        scale: 1 / 255,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
      };
    case "caffe":
      return {
        ...cropped,
        channelOrder: "bgr",
        scale: 1,
        mean: [103.939, 116.779, 123.68],
        std: [1, 1, 1],
      };
    case "tf":
      return { ...stretched, scale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1] };
    case "unit":
      return { ...stretched, scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] };
    case "byte":
      return { ...stretched, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
  }
}
