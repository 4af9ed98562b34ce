/** The models themselves: made once for all tests of this file, which takes a few seconds. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto from "onnx-proto";
import test from "ava";
import { type ImageClassifier, ModelManifest } from "../../src/lib/model-manifest.ts";
import { parser } from "../../src/lib/schema.ts";
import { makeModel, makeModels, manifestText, type ReadyModel } from "../../tools/models/models.ts";
import { OnnxSession } from "../../tools/models/onnx-session.ts";
import { recipes } from "../../tools/models/recipes.ts";

const dir = await mkdtemp(join(tmpdir(), "idunno-models-"));
/** Throws if any of them does not hash to what is pinned: so much for being deterministic to the byte. */
const models = await makeModels(dir);
test.after.always(() => rm(dir, { recursive: true }));

function byName(name: string): ReadyModel {
  const model = models.find(({ manifest }) => manifest.name === name);
  if (model === undefined) throw new RangeError(name);
  return model;
}

test("there are the four models, each with its manifest and nothing else", async (t) => {
  const names = ["inception_v3", "mobilenet_v2", "resnet50_random_weights", "text_orientation"];
  t.deepEqual(
    (await readdir(dir)).toSorted(),
    names.flatMap((name) => [`${name}.json`, `${name}.onnx`]),
  );
  t.true(models.every(({ made }) => made));
});

for (const { manifest, manifestFile, onnxFile } of models)
  test(`${manifest.name} does what its manifest says`, async (t) => {
    const parse = parser(ModelManifest, manifestFile);
    const read = parse(JSON.parse(await readFile(manifestFile, "utf8"))) as ImageClassifier;
    t.deepEqual(read, manifest);
    t.true(read.labels.length === 0 || read.labels.length === read.output.classes);
    t.true(read.topK <= read.output.classes);
    const { height, width } = read.input;
    const session = await OnnxSession.open(await readFile(onnxFile));
    const values = Float32Array.from({ length: 2 * 3 * height * width }, (_, i) => (i % 97) / 97);
    const [output] = await session.run({ shape: [2, 3, height, width], values }, [
      read.output.name,
    ]);
    await session.close();
    t.deepEqual(output?.shape, [2, read.output.classes]);
    const first = output?.values.subarray(0, read.output.classes) ?? new Float32Array();
    t.true(first.every(Number.isFinite));
    t.not(new Set(first).size, 1, "the classes differ");
    if (read.output.activation === "none") {
      const sum = first.reduce((total, p) => total + p, 0);
      t.true(Math.abs(sum - 1) < 1e-5, `probabilities sum to ${sum}`);
    } else {
      // Logits near each other, as a network's are, so that softmax does not give one class everything.
      const spread = Math.max(...first) - Math.min(...first);
      t.true(spread > 0.5 && spread < 50, `logits spread over ${spread}`);
    }
  });

test("a model that is there is left alone, and found again", async (t) => {
  const { onnxFile } = byName("mobilenet_v2");
  const before = await stat(onnxFile);
  const [again] = await makeModels(dir, { only: ["mobilenet_v2"] });
  t.deepEqual(again, { ...byName("mobilenet_v2"), made: false });
  t.is((await stat(onnxFile)).mtimeMs, before.mtimeMs);
});

test("a damaged model, and one with another manifest, are made again", async (t) => {
  const own = await mkdtemp(join(tmpdir(), "idunno-models-"));
  t.teardown(() => rm(own, { recursive: true }));
  const make = async (): Promise<ReadyModel | undefined> =>
    (await makeModels(own, { only: ["text_orientation"] }))[0];
  const first = await make();
  if (first === undefined) return t.fail();
  const good = await readFile(first.onnxFile);

  const damaged = Buffer.from(good);
  damaged.writeUInt8(damaged.readUInt8(1000) ^ 1, 1000);
  await writeFile(first.onnxFile, damaged);
  t.true((await make())?.made);
  t.deepEqual(await readFile(first.onnxFile), good);

  await writeFile(first.manifestFile, manifestText({ ...first.manifest, topK: 1 }));
  t.true((await make())?.made);
  t.is(await readFile(first.manifestFile, "utf8"), manifestText(first.manifest));
  t.false((await make())?.made);
});

test("bytes that do not hash to the pinned SHA-256 are not written", async (t) => {
  const own = await mkdtemp(join(tmpdir(), "idunno-models-"));
  t.teardown(() => rm(own, { recursive: true }));
  const [recipe] = recipes;
  if (recipe === undefined) return t.fail();
  const other = { ...recipe, make: async () => Uint8Array.of(1) };
  await t.throwsAsync(makeModel(own, other), { code: "BAD_MODEL", message: /recipes\.ts pins/ });
  t.deepEqual(await readdir(own), []);
});

test("a name that no model has is refused before anything is made", async (t) => {
  await t.throwsAsync(makeModels(dir, { only: ["mobilenet_v2", "alexnet"] }), {
    code: "NOT_FOUND",
    message: /no model alexnet; there are inception_v3,/,
  });
});

test("the ResNet-50 has the layers and the 25,557,032 parameters of the paper's", async (t) => {
  const { ModelProto } = proto.onnx;
  const { graph } = ModelProto.decode(await readFile(byName("resnet50_random_weights").onnxFile));
  const operators = (graph?.node ?? []).filter(({ opType }) => opType === "Conv");
  t.is(operators.length, 53, "49 in the blocks and their stem, 4 round a block");
  const strided = operators.filter(({ attribute }) =>
    attribute?.some(({ name, ints }) => name === "strides" && Number(ints?.[0]) === 2),
  );
  t.is(strided.length, 7, "the stem, and in three stages a 3×3 and the way round it");
  t.is(
    strided.filter(({ name }) => name?.endsWith("/b")).length,
    3,
    "v1.5: the 3×3 has the stride",
  );

  const trained = (graph?.initializer ?? []).filter(
    ({ name }) => !/\/(mean|variance)$/.test(name ?? ""),
  );
  const count = trained.reduce(
    (sum, { dims }) => sum + (dims ?? []).reduce<number>((n, size) => n * Number(size), 1),
    0,
  );
  t.is(count, 25_557_032);
});
