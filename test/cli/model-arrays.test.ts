/** `model add` for networks that take or give arrays. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { describeNetwork, type Given } from "../../src/cli/model/describe.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { ioOf } from "../../src/lib/model-io.ts";
import type { ModelManifest } from "../../src/lib/model-manifest.ts";
import type { Network } from "../../src/lib/network.ts";
import { FakeNode } from "../client/fake-node.ts";
import { idunno, type Outcome } from "./world.ts";

/** Tokens and a mask in; a vector and a flag out, as a run on zeros shows them. */
const tagger: Network = {
  inputs: [
    { name: "tokens", type: "int64", shape: ["N", 16] },
    { name: "mask", type: "bool", shape: ["", 16] },
  ],
  outputs: [
    { name: "vector", type: "float32", shape: [1, 2, 4] },
    { name: "flag", type: "uint8", shape: [1] },
  ],
};
const picture: Network = {
  inputs: [{ name: "image", type: "float32", shape: ["N", 3, 8, 8] }],
  outputs: tagger.outputs,
};
const arrays: Given = { inputKind: "tensor", task: "tensors" };

function described(network: Network, given: Given): ModelManifest {
  const manifest = describeNetwork({ name: "m", sha256: "0".repeat(64) }, network, given);
  ioOf(manifest); // whatever is described goes together
  return manifest;
}

test("arrays in and all arrays out need nothing said", (t) => {
  t.deepEqual(described(tagger, arrays), {
    format: 1,
    name: "m",
    sha256: "0".repeat(64),
    inputs: [
      { name: "tokens", type: "int64", shape: [16] },
      { name: "mask", type: "bool", shape: [16] },
    ],
    labels: [],
    source: "",
    outputs: [
      { name: "vector", type: "float32", shape: [2, 4] },
      { name: "flag", type: "uint8", shape: [] },
    ],
  });
});

test("outputs are kept by name, in the order given", (t) => {
  const kept = (outputs: readonly string[]) =>
    described(tagger, { ...arrays, outputs }).outputs?.map(({ name }) => name);
  t.deepEqual(kept(["flag"]), ["flag"]);
  t.deepEqual(kept(["flag", "vector"]), ["flag", "vector"]);
});

test("images can give arrays, and arrays classes", (t) => {
  const embedder = described(picture, { preset: "unit", task: "tensors", outputs: ["vector"] });
  t.like(embedder, { input: { height: 8 }, outputs: [{ name: "vector" }], labels: [] });
  t.is(embedder.output, undefined);
  const scores = { name: "scores", type: "float32", shape: [1, 3] };
  const values = { least: 0.2, greatest: 0.5, sum: 1 };
  const classifier = described(
    { ...tagger, outputs: [{ ...scores, values }] },
    { inputKind: "tensor", labels: ["a", "b", "c"] },
  );
  t.like(classifier, {
    inputs: [{ name: "tokens" }, { name: "mask" }],
    output: { name: "scores", classes: 3, activation: "none" },
    topK: 3,
  });
  t.is(classifier.preprocessing, undefined);
});

const withInput = (shape: readonly (string | number)[], type = "float32"): Network => ({
  ...tagger,
  inputs: [{ name: "x", type, shape: [...shape] }],
});
const withOutput = (shape: readonly (string | number)[], type = "float32"): Network => ({
  ...tagger,
  outputs: [{ name: "y", type, shape: [...shape] }],
});

for (const [what, network, given, code, why] of [
  [
    "a free length",
    withInput(["N", "length"]),
    arrays,
    "BAD_MODEL",
    /x \(float32 \[N, length\]\) leaves more free/,
  ],
  [
    "text",
    withInput(["N", 1], "string"),
    arrays,
    "BAD_MODEL",
    /of a type that is not taken: float32/,
  ],
  ["no rows", withInput([]), arrays, "BAD_MODEL", /no row for each input/],
  ["three rows at a time", withInput([3, 4]), arrays, "BAD_MODEL", /no row for each input/],
  ["answers of any length", withOutput([1, "found"]), arrays, "BAD_MODEL", /y .* leaves more free/],
  [
    "half floats",
    withOutput([1, 4], "float16"),
    arrays,
    "BAD_MODEL",
    /of a type that is not taken/,
  ],
  ["an answer for the whole run", withOutput([]), arrays, "BAD_MODEL", /no row for each input/],
  [
    "an output that is not there",
    tagger,
    { ...arrays, outputs: ["z"] },
    "USAGE",
    /no output z; it has vector/,
  ],
  [
    "several scores",
    tagger,
    { inputKind: "tensor", outputs: ["vector", "flag"] },
    "USAGE",
    /keep several with --task tensors/,
  ],
  [
    "arrays where an image is asked for",
    tagger,
    { preset: "tf" },
    "BAD_MODEL",
    /give --input-kind tensor/,
  ],
  [
    "no scores",
    tagger,
    { inputKind: "tensor", outputs: ["vector"], activation: "none" },
    "BAD_MODEL",
    /--task tensors/,
  ],
  [
    "a failed run",
    { ...tagger, notRun: "it fails on arrays of zeros: no" },
    arrays,
    "BAD_MODEL",
    /it fails/,
  ],
  ["pictures without a preset", picture, { task: "tensors" }, "USAGE", /--preset imagenet/],
] as readonly (readonly [string, Network, Given, "USAGE" | "BAD_MODEL", RegExp])[])
  test(`${what}: refused with what to do`, (t) => {
    const error = t.throws(() => described(network, given));
    t.true(hasCode(error, code), String(error));
    t.regex(error?.message ?? "", why);
  });

test("a network of arrays is added from flags, and shown", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.network = tagger;
  const directory = await mkdtemp(join(tmpdir(), "idunno-model-arrays-"));
  t.teardown(async () => rm(directory, { recursive: true }));
  await writeFile(join(directory, "net.onnx"), "weights");
  const run = async (...argv: string[]): Promise<Outcome> =>
    idunno(["model", ...argv], { directory, env: { IDUNNO_NODE: node.address } });
  const add = async (...argv: string[]): Promise<Outcome> =>
    run("add", "mine", "net.onnx", ...argv);
  const flags = ["--task", "tensors", "--input-kind", "tensor"];
  const { code, err } = await add(...flags, "--output-name", "flag", "--output-name", "vector");
  t.is(code, 0, err);
  t.regex(
    err,
    /it takes tokens \(int64 \[N, 16\]\) and mask \(bool \[N, 16\]\), and gives flag \(uint8 \[N\]\) and vector/,
  );
  t.like(node.cluster.models.get("mine")?.manifest, {
    inputs: [{ name: "tokens" }, { name: "mask" }],
    outputs: [{ name: "flag" }, { name: "vector" }],
  });
  t.regex((await run("ls")).out, /mine +1 .*tokens \(int64 \[N, 16\]\), mask/);
  t.regex((await run("show", "mine")).out, /gives: +flag \(uint8 \[N\]\), vector/);
  t.regex(
    (await add(...flags, "--preset", "tf")).err,
    /--preset means nothing with --input-kind tensor/,
  );
  t.regex((await add(...flags, "--top", "3")).err, /--top means nothing with --task tensors/);
});
