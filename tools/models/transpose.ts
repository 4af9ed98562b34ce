/** Permutes the axes of a four-dimensional tensor: Keras and ONNX order the axes of a kernel differently. */
import type { Weight } from "./keras.ts";

type Four = readonly [number, number, number, number];

/**
 * As numpy's `transpose` does: axis `i` of the result is axis `axes[i]` of the tensor.
 * @param axes a permutation of 0 to 3
 */
export function transpose({ shape, values }: Weight, axes: Four): Weight {
  const [, h = 1, w = 1, d = 1] = shape;
  const strides = [h * w * d, w * d, d, 1];
  const sizes = axes.map((axis) => shape[axis] ?? 1);
  const steps = axes.map((axis) => strides[axis] ?? 1);
  const [size0 = 1, size1 = 1, size2 = 1, size3 = 1] = sizes;
  const [step0 = 1, step1 = 1, step2 = 1, step3 = 1] = steps;
  const result = new Float32Array(values.length);
  let i = 0;
  for (let a = 0; a < size0; a += 1)
    for (let b = 0; b < size1; b += 1)
      for (let c = 0; c < size2; c += 1) {
        const start = a * step0 + b * step1 + c * step2;
        for (let e = 0; e < size3; e += 1) result[i++] = values[start + e * step3] ?? 0;
      }
  return { shape: sizes, values: result };
}
