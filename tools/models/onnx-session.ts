/** Runs an ONNX model, on one thread. The one door to onnxruntime-node for the tools. */
import * as ort from "onnxruntime-node";
import { IDunnoError } from "../../src/lib/errors.ts";

/** A float32 tensor in row-major order. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export class OnnxSession {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  /** @throws BAD_MODEL when onnxruntime refuses the bytes */
  static async open(bytes: Uint8Array): Promise<OnnxSession> {
    try {
      const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
      return new OnnxSession(await ort.InferenceSession.create(bytes, options));
    } catch (cause) {
      const why = "onnxruntime does not load it";
      throw new IDunnoError("BAD_MODEL", { model: `of ${bytes.length} bytes`, why }, { cause });
    }
  }

  /** The outputs asked for, in that order. The model must have one input. */
  async run(input: Tensor, outputs: readonly string[]): Promise<readonly Tensor[]> {
    const [name = ""] = this.#session.inputNames;
    const feeds = { [name]: new ort.Tensor("float32", input.values, input.shape) };
    const results = await this.#session.run(feeds, [...outputs]);
    return outputs.map((output) => {
      const tensor = results[output];
      if (!(tensor?.data instanceof Float32Array))
        throw new IDunnoError("BAD_MODEL", { model: name, why: `${output} is not float32` });
      return { shape: tensor.dims, values: tensor.data };
    });
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
