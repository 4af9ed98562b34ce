/** What a network says of itself, by a real run in a process of its own. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import { hasCode } from "../../src/lib/errors.ts";
import type { InputHints, Network } from "../../src/lib/network.ts";
import { Folder } from "./input-files.ts";
import { CLASSES, encodeModel, SIDE } from "./onnx-models.ts";

const folder = await Folder.make();
// Inspecting needs no slot: the executor may still be starting.
const executor = Executor.begin({ slots: 1 });

test.after.always(async () => {
  await executor.destroy();
  await folder[Symbol.asyncDispose]();
});

async function inspect(bytes: Uint8Array, hints: InputHints = {}): Promise<Network> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const path = join(folder.path, sha256);
  await writeFile(path, bytes);
  return executor.inspect({ name: "net", sha256, path, ...hints });
}

test("names, types and shapes are told, and what an image of zeros gives", async (t) => {
  const { inputs, outputs, notRun } = await inspect(
    encodeModel({ hasOnes: true, hasLogits: true }),
  );
  t.is(notRun, undefined);
  t.deepEqual(inputs, [{ name: "image", type: "float32", shape: ["N", 3, SIDE, SIDE] }]);
  t.deepEqual(
    outputs.map(({ name, shape }) => [name, shape]),
    [
      ["ones", [1, CLASSES, 1, 1]],
      ["logits", [1, CLASSES]],
    ],
  );
  for (const { values } of outputs) t.true((values?.least ?? 0) < 0 && (values?.greatest ?? 0) > 0);
});

test("a size that the file leaves free is asked for, and taken from the hints", async (t) => {
  const bytes = encodeModel({ image: [3, "h", "w"], isUint8: true });
  const unknown = await inspect(bytes);
  t.regex(unknown.notRun ?? "", /the size of its images/);
  t.deepEqual(unknown.inputs[0]?.shape, ["N", 3, "h", "w"]);
  const { notRun, outputs } = await inspect(bytes, { height: SIDE, width: SIDE });
  t.is(notRun, undefined);
  t.deepEqual(outputs[0]?.shape, [1, CLASSES]);
  const wrong = await inspect(bytes, { height: SIDE, width: SIDE + 1 });
  t.regex(wrong.notRun ?? "", /it fails on an image of zeros/);
});

test("what is no network is refused", async (t) => {
  const error = await t.throwsAsync(inspect(Buffer.from("no network")));
  t.true(hasCode(error, "BAD_MODEL"), String(error));
  t.regex(error?.message ?? "", /cannot load the file/);
});
