/** How far onnxruntime on a converted model is from TensorFlow.js on the original, over the same pixels. */
import { tensorNames } from "./convert.ts";
import type { KerasFiles } from "./keras.ts";
import { OnnxSession } from "./onnx-session.ts";
import { channelsFirst } from "./pixels.ts";
import { TensorflowModel } from "./tensorflow.ts";

/** The largest absolute differences over all images and classes. */
export interface Differences {
  readonly probabilities: number;
  readonly logits: number;
  /** The largest absolute logit, to judge the difference by. */
  readonly largestLogit: number;
}

/**
 * What the differences may be. Both sides compute in float32 and sum in different orders. Measured over 20
 * photos and two networks: at most 2.8e-6 in probabilities and 9.6e-6 in logits of size 7 to 9; the limits
 * leave room for other CPUs. Doubling one epsilon of MobileNet V2's 52 gives 1e-3 in logits.
 */
export const limits = { probabilities: 1e-5, logits: 5e-5 } as const;

export function withinLimits({ probabilities, logits }: Differences): boolean {
  // Written so that NaN is outside.
  return probabilities <= limits.probabilities && logits <= limits.logits;
}

export interface Comparison {
  /** What TensorFlow.js runs. */
  readonly original: KerasFiles;
  /** The file that onnxruntime runs. */
  readonly onnx: Uint8Array;
  /** Square images, size × size × 3, values 0 to 1. */
  readonly images: readonly Float32Array[];
  readonly size: number;
}

/** Runs every image through both and returns how far they are apart. */
export async function compare({ original, onnx, images, size }: Comparison): Promise<Differences> {
  const session = await OnnxSession.open(onnx);
  const reference = await TensorflowModel.open(original);
  try {
    const worst = { probabilities: 0, logits: 0, largestLogit: 0 };
    for (const image of images) {
      const wanted = reference.run(image, size, size);
      const [probabilities, logits] = await session.run(
        { shape: [1, 3, size, size], values: channelsFirst(image) },
        [tensorNames.probabilities, tensorNames.logits],
      );
      const zeros = new Float32Array(wanted.logits.length);
      worst.probabilities = Math.max(
        worst.probabilities,
        distance(probabilities?.values, wanted.probabilities),
      );
      worst.logits = Math.max(worst.logits, distance(logits?.values, wanted.logits));
      worst.largestLogit = Math.max(worst.largestLogit, distance(zeros, wanted.logits));
    }
    return worst;
  } finally {
    reference.close();
    await session.close();
  }
}

/** The largest absolute difference; NaN when the lists are not of one length. */
function distance(got: Float32Array | undefined, wanted: Float32Array): number {
  if (got?.length !== wanted.length) return Number.NaN;
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - (got[i] ?? NaN))), 0);
}
