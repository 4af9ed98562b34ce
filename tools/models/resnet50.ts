/**
 * ResNet-50 v1.5 (He et al., 2015, table 1; v1.5 strides in the 3×3 convolution of a block instead of the
 * first 1×1) with **random** weights: it costs what the real one costs and its answers mean nothing.
 * The weights come from integers by operations that IEEE 754 rounds exactly, so they are the same everywhere.
 */
import { Random } from "../../src/lib/random.ts";
import { OnnxWriter } from "./onnx-writer.ts";

/** Blocks and inner channels of the four stages; a block's output has four times its inner channels. */
const stages = [
  { blocks: 3, channels: 64 },
  { blocks: 4, channels: 128 },
  { blocks: 6, channels: 256 },
  { blocks: 3, channels: 512 },
] as const;
const expansion = 4;
const classes = 1000;
const imageSize = 224;
/** What the paper's authors and torchvision use. */
const epsilon = 1e-5;
/**
 * What the last normalisation of a block multiplies by. With 1 the variance would double in each of the 16
 * blocks and softmax would see one class only; with this it stays near 1 as in a trained network.
 */
const branchGain = 0.25;

/** The bytes of the ONNX file: input `input` [N, 3, 224, 224], output `logits` [N, 1000]. */
export function resnet50(name: string, seed: number): Uint8Array {
  const net = new RandomNetwork(seed);
  let x = net.convolution("input", { name: "stem", from: 3, to: 64, size: 7, stride: 2 });
  x = net.out.node("Relu", [net.normalisation(x, 64, 1)], "stem/relu");
  x = net.out.node("MaxPool", [x], "stem/pool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  });
  let from = 64;
  for (const [index, { blocks, channels }] of stages.entries())
    for (let block = 0; block < blocks; block += 1) {
      const stride = index > 0 && block === 0 ? 2 : 1;
      x = net.block(x, { name: `stage${index + 1}/${block + 1}`, from, channels, stride });
      from = channels * expansion;
    }
  x = net.out.node("Flatten", [net.out.node("GlobalAveragePool", [x], "pool")], "features");
  const kernel = net.weights("classifier/kernel", [from, classes], from);
  const bias = net.out.floats("classifier/bias", [classes], new Float32Array(classes));
  net.out.node("Gemm", [x, kernel, bias], "logits");
  return net.out.encode(
    name,
    [{ name: "input", shape: ["N", 3, imageSize, imageSize] }],
    [{ name: "logits", shape: ["N", classes] }],
  );
}

interface Convolution {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly stride: number;
}

interface Block {
  readonly name: string;
  readonly from: number;
  readonly channels: number;
  readonly stride: number;
}

class RandomNetwork {
  readonly out = new OnnxWriter();
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** A bottleneck block: 1×1, 3×3, 1×1, and the way round them (He et al., figure 5). */
  block(x: string, { name, from, channels, stride }: Block): string {
    const wide = channels * expansion;
    const relu = (y: string): string => this.out.node("Relu", [y], `${y}/relu`);
    const part = (y: string, convolution: Omit<Convolution, "name">, suffix: string): string => {
      const sums = this.convolution(y, { name: `${name}/${suffix}`, ...convolution });
      return this.normalisation(sums, convolution.to, suffix === "c" ? branchGain : 1);
    };
    let y = relu(part(x, { from, to: channels, size: 1, stride: 1 }, "a"));
    y = relu(part(y, { from: channels, to: channels, size: 3, stride }, "b"));
    y = part(y, { from: channels, to: wide, size: 1, stride: 1 }, "c");
    const around = from === wide ? x : part(x, { from, to: wide, size: 1, stride }, "around");
    return relu(this.out.node("Add", [y, around], `${name}/sum`));
  }

  convolution(x: string, { name, from, to, size, stride }: Convolution): string {
    const kernel = this.weights(`${name}/kernel`, [to, from, size, size], from * size * size);
    const pad = (size - 1) / 2;
    return this.out.node("Conv", [x, kernel], name, {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  /** As if training had found mean 0 and variance 1 in every channel. */
  normalisation(x: string, channels: number, gain: number): string {
    const filled = (suffix: string, value: number): string =>
      this.out.floats(`${x}/${suffix}`, [channels], new Float32Array(channels).fill(value));
    const scale = filled("gamma", gain);
    const shift = filled("beta", 0);
    const mean = filled("mean", 0);
    const variance = filled("variance", 1);
    return this.out.node("BatchNormalization", [x, scale, shift, mean, variance], `${x}/norm`, {
      epsilon: { float: epsilon },
    });
  }

  /** He initialisation (He et al., 2015, "Delving Deep into Rectifiers"): uniform with variance 2 / fan-in. */
  weights(name: string, shape: readonly number[], fanIn: number): string {
    const scale = Math.sqrt(6 / fanIn) / 2 ** 31;
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let i = 0; i < values.length; i += 1) values[i] = (this.#random.next() - 2 ** 31) * scale;
    return this.out.floats(name, shape, values);
  }
}
