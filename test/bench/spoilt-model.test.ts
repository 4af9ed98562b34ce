import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { spoilt } from "../../bench/trouble/spoilt-model.ts";
import { Executor } from "../../src/inference/executor.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { makeModels } from "../../tools/models/models.ts";
import { Folder, plain } from "../inference/input-files.ts";
import { writeModel } from "../inference/onnx-models.ts";

const dir = await mkdtemp(join(tmpdir(), "idunno-spoilt-"));
const folder = await Folder.make();
test.after.always(async () => {
  await rm(dir, { recursive: true });
  await folder[Symbol.asyncDispose]();
});

test("a spoilt network can be added, and then hangs or aborts on whatever is not black", async (t) => {
  const [sound] = await makeModels(dir, { only: ["text_orientation"] });
  if (sound === undefined) return t.fail();
  const original = { manifest: sound.manifest, bytes: await readFile(sound.onnxFile) };
  await using executor = await Executor.start({ slots: 1 });
  const white = await folder.input(await plain(255));
  for (const [how, during, timeoutMs] of [
    ["hangs", "timeout", 1_000],
    ...(process.arch === "x64" ? ([["aborts", "query", 60_000]] as const) : []),
  ] as const) {
    const { manifest, bytes } = spoilt(original, how, how);
    const model = await writeModel(folder.path, bytes, manifest);
    await executor.validate(model);
    const run = executor.run({ id: how, model, inputs: [white], timeoutMs });
    const error = await t.throwsAsync(run);
    t.true(hasCode(error, "EXECUTOR_FAILED") && error.details.during === during, String(error));
  }
});
