/** Models as the simulation has them: nothing is fetched, and nothing lies on a disk. */
import type { Node } from "../../../src/node/node.ts";
import type { SimulatedExecutor } from "./executor.ts";

/** A model is ready when the executor has it: its file is of no matter to the oracle. */
export function localModels(
  executor: SimulatedExecutor,
): ReturnType<ConstructorParameters<typeof Node>[1]["makeModels"]> {
  const local = async ({
    manifest,
  }: Parameters<ReturnType<ConstructorParameters<typeof Node>[1]["makeModels"]>["local"]>[0]) => ({
    sha256: manifest.sha256,
    path: `models/${manifest.sha256}.onnx`,
    manifest,
  });
  return {
    local,
    path: async ({ manifest }) => `models/${manifest.sha256}.onnx`,
    hold: () => ({ [Symbol.dispose]: () => undefined }),
    stored: async () => [],
    drop: async () => true,
    release: () => true,
    ready: async (model) => {
      const found = await local(model);
      await executor.load(found);
      return found;
    },
  };
}
