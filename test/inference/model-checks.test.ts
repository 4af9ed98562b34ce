import { writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import type { LocalModel } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { Folder, plain } from "./input-files.ts";
import { CLASSES, encodeModel, manifestOf, SIDE, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
const executor = await Executor.start({ slots: 2 });

const bytes = encodeModel();
const good = await writeModel(folder.path, bytes);
const { input, output } = good.manifest;

async function fileOf(content: Uint8Array): Promise<LocalModel> {
  const sha256 = createHash("sha256").update(content).digest("hex");
  const path = join(folder.path, sha256);
  await writeFile(path, content);
  return { sha256, path, manifest: manifestOf(content) };
}

const wrong: readonly (readonly [what: string, model: LocalModel, why: RegExp])[] = [
  ["text", await fileOf(Buffer.from("no model")), /onnxruntime cannot load the file/],
  ["half a file", await fileOf(bytes.subarray(0, bytes.length / 2)), /cannot load the file/],
  [
    "other bytes than its name says",
    { ...good, sha256: "0".repeat(64) },
    /hashes to [0-9a-f]{64}, not to 0{64}/,
  ],
  ["a missing file", { ...good, path: join(folder.path, "none") }, /cannot be read: ENOENT/],
  [
    "another input name",
    { ...good, manifest: { ...good.manifest, input: { ...input, name: "pixels" } } },
    /no input pixels; it has image \(float32 \[N, 3, 16, 16\]\)/,
  ],
  [
    "another output name",
    { ...good, manifest: { ...good.manifest, output: { ...output, name: "logits" } } },
    /no output logits; it has scores \(float32 \[N, 7\]\)/,
  ],
  [
    "another size",
    { ...good, manifest: { ...good.manifest, input: { ...input, height: 32 } } },
    /input image .* is not \[N, 3, 32, 16\]/,
  ],
  [
    "another layout",
    { ...good, manifest: { ...good.manifest, input: { ...input, layout: "nhwc" } } },
    /input image .* is not \[N, 16, 16, 3\]/,
  ],
  [
    "another number of classes",
    { ...good, manifest: { ...good.manifest, output: { ...output, classes: CLASSES + 1 } } },
    /output scores .* is not \[N, 8\]/,
  ],
  [
    "a network for exactly 3 images",
    await writeModel(folder.path, encodeModel({ batch: 3 })),
    /input image \(float32 \[3, 3, 16, 16\]\) is not/,
  ],
];

test.after.always(async () => {
  await executor.close();
  await folder[Symbol.asyncDispose]();
});

for (const [what, model, why] of wrong)
  test(`a model is refused for ${what}`, async (t) => {
    const request = { id: what, model, inputs: [], timeoutMs: 1000 };
    for (const refused of [executor.load(model), executor.run(request)]) {
      const error = await t.throwsAsync(refused);
      t.true(hasCode(error, "BAD_MODEL"), String(error));
      t.regex(error?.message ?? "", why);
    }
  });

test("what loading refuses, validating refuses, in a process of its own", async (t) => {
  const { pid } = executor;
  const [, model, why] = wrong[0]!;
  const error = await t.throwsAsync(executor.validate(model));
  t.true(hasCode(error, "BAD_MODEL"));
  t.regex(error?.message ?? "", why);
  t.is(executor.pid, pid);
});

test("a right model is valid, and can be loaded, unloaded and loaded again", async (t) => {
  await executor.validate(good);
  await executor.load(good);
  executor.unload(good.sha256);
  await executor.load(good);
  const inputs = [await folder.input(await plain(9))];
  const result = await executor.run({ id: "q", model: good, inputs, timeoutMs: 60_000 });
  t.is(result.kind, "done");
});

test("a network for one image at a time serves queries of many", async (t) => {
  const model = await writeModel(folder.path, encodeModel({ batch: 1 }));
  const image = await folder.input(await plain(9));
  const ask = async (id: string, of: LocalModel): Promise<unknown> => {
    const inputs = Array.from({ length: 30 }, () => image);
    const result = await executor.run({ id, model: of, inputs, timeoutMs: 60_000 });
    return result.kind === "done" ? result.outputs : result;
  };
  t.deepEqual(await ask("one", model), await ask("many", good));
});

test("two manifests of one file give each its own results", async (t) => {
  const image = await folder.input(await plain(200));
  const top = async (model: LocalModel): Promise<number> => {
    const id = `top ${model.manifest.topK}`;
    const result = await executor.run({ id, model, inputs: [image], timeoutMs: 60_000 });
    const [first] = result.kind === "done" ? result.outputs : [];
    return first?.kind === "classes" ? first.top.length : -1;
  };
  t.is(await top(good), 3);
  t.is(await top({ ...good, manifest: { ...good.manifest, topK: 5 } }), 5);
  t.is(SIDE, input.width);
});
