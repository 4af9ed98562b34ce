import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { variantOf } from "../../bench/model-variant.ts";
import { makeModels } from "../../tools/models/models.ts";
import { OnnxSession } from "../../tools/models/onnx-session.ts";

const dir = await mkdtemp(join(tmpdir(), "idunno-variant-"));
test.after.always(() => rm(dir, { recursive: true }));

test("a variant is another file that answers the same", async (t) => {
  const [model] = await makeModels(dir, { only: ["text_orientation"] });
  if (model === undefined) return t.fail();
  const bytes = await readFile(model.onnxFile);
  const first = variantOf({ manifest: model.manifest, bytes }, "other-1");
  const second = variantOf({ manifest: model.manifest, bytes }, "other-2");
  t.is(first.manifest.name, "other-1");
  t.is(first.manifest.sha256, createHash("sha256").update(first.bytes).digest("hex"));
  t.is(new Set([model.manifest.sha256, first.manifest.sha256, second.manifest.sha256]).size, 3);

  const input = { shape: [1, 3, 48, 192], values: new Float32Array(3 * 48 * 192).fill(0.5) };
  const answers: (Float32Array | undefined)[] = [];
  for (const each of [bytes, first.bytes, second.bytes]) {
    const session = await OnnxSession.open(each);
    const [scores] = await session.run(input, [model.manifest.output.name]);
    answers.push(scores?.values);
    await session.close();
  }
  t.is(answers[0]?.length, 2);
  t.deepEqual(answers[1], answers[0]);
  t.deepEqual(answers[2], answers[0]);
});

test("a name that is too long is refused", (t) => {
  const manifest = { name: "x" } as Parameters<typeof variantOf>[0]["manifest"];
  t.throws(() => variantOf({ manifest, bytes: new Uint8Array() }, "n".repeat(128)));
});
