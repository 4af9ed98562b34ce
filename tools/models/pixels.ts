/** Turns the pixels of an image into the float32 numbers that nsfwjs's networks take, in either layout. */

/** Bytes 0 to 255 as numbers 0 to 1; the layout stays (height × width × 3). */
export function unitRange(pixels: Uint8Array): Float32Array {
  const values = new Float32Array(pixels.length);
  for (const [i, value] of pixels.entries()) values[i] = value / 255;
  return values;
}

/** From height × width × 3, which TensorFlow.js takes, to 3 × height × width, which our ONNX files take. */
export function channelsFirst(nhwc: Float32Array): Float32Array {
  const nchw = new Float32Array(nhwc.length);
  const plane = nhwc.length / 3;
  for (const [i, value] of nhwc.entries()) nchw[(i % 3) * plane + Math.floor(i / 3)] = value;
  return nchw;
}
