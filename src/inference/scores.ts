/**
 * From a network's raw answer for one input to its result: softmax if the manifest says so, then the best
 * classes. In float64 and whole millionths, so that equal answers give equal bytes.
 */
import type { ClassScore, InputOutput } from "./types.ts";

/** Scores beyond this cannot be told in whole millionths exactly. */
const MAX_SCORE = Number.MAX_SAFE_INTEGER / 1e6;

export function inputOutput(
  values: Float32Array,
  { softmax, topK }: { readonly softmax: boolean; readonly topK: number },
): InputOutput {
  // Judged before softmax, which would turn an infinite logit into a plausible 0.
  if (!values.every((value) => Math.abs(value) <= MAX_SCORE))
    return { kind: "error", code: "wrong_output" };
  return { kind: "classes", top: best(softmax ? softmaxOf(values) : values, topK) };
}

/** Shifted by the maximum, so that no exponential overflows. */
export function softmaxOf(logits: ArrayLike<number>): Float64Array {
  const exponentials = Float64Array.from(logits);
  const shift = exponentials.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const [i, logit] of exponentials.entries()) {
    const e = Math.exp(logit - shift);
    exponentials[i] = e;
    sum += e;
  }
  return exponentials.map((e) => e / sum);
}

/** The `count` best by rounded score, ties by class index: ordered by what is shown, not by hidden digits. */
function best(scores: ArrayLike<number>, count: number): ClassScore[] {
  const top: ClassScore[] = [];
  for (let index = 0; index < scores.length; index += 1) {
    // `+ 0` turns -0 into 0, which would differ in some encodings.
    const micros = Math.round((scores[index] ?? 0) * 1e6) + 0;
    const worst = top[count - 1];
    if (worst !== undefined && worst[1] >= micros) continue;
    let place = Math.min(top.length, count - 1);
    for (; place > 0 && (top[place - 1]?.[1] ?? 0) < micros; place -= 1) {
      const moved = top[place - 1];
      if (moved !== undefined) top[place] = moved;
    }
    top[place] = [index, micros];
  }
  return top;
}
