/** Networks that take arrays, and networks whose answers are kept as arrays. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import { npzOf } from "../../src/inference/npz.ts";
import type { InputFile, LocalModel, QueryResult } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import type { ModelManifest } from "../../src/lib/model-manifest.ts";
import {
  encodeArrayModel,
  encodeScoreModel,
  inputsOfArrays,
  outputsOfArrays,
  writeArrayModel,
} from "./array-models.ts";
import { Folder, plain } from "./input-files.ts";
import { floatsFile, numpyFile, readNumpy, type ReadNumpy, readZip } from "./numpy-files.ts";
import { CLASSES, encodeModel, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
const executor = await Executor.start({ slots: 1 });
const bytes = encodeArrayModel();
const model = await writeArrayModel(folder.path, bytes);
const scores = await writeArrayModel(folder.path, encodeScoreModel(), {
  inputs: [{ name: "x", type: "float32", shape: [4] }],
  output: { name: "scores", classes: 4, activation: "none" },
  topK: 2,
});
const image9 = await plain(9);

test.after.always(async () => {
  await executor.close();
  await folder[Symbol.asyncDispose]();
});

/** A file with both inputs of a network. */
async function pair(a: readonly number[], b: readonly number[] = [1, 2]): Promise<InputFile> {
  const [floats, whole] = [Float32Array.from(a), BigInt64Array.from(b.map(BigInt))];
  return folder.input(
    Buffer.concat(
      npzOf([
        { name: "b", type: "int64", shape: [1, 2], data: new Uint8Array(whole.buffer) },
        { name: "a", type: "float32", shape: [a.length], data: new Uint8Array(floats.buffer) },
      ]),
    ),
  );
}

let queries = 0;

async function ask(
  of: LocalModel,
  inputs: readonly InputFile[],
  { numbers = inputs.map((_, i) => i), alone = false } = {},
): Promise<Extract<QueryResult, { kind: "done" }>> {
  queries += 1;
  const id = `q${queries}`;
  const tensorsTo = { path: join(folder.path, `${id}.npz`), numbers };
  const request = { id, model: of, inputs, timeoutMs: 60_000, tensorsTo };
  const result = await (alone ? executor.runAlone(request) : executor.run(request));
  if (result.kind !== "done") throw new Error(result.why);
  return result;
}

async function arraysIn(result: Extract<QueryResult, { kind: "done" }>) {
  const file = await readFile(result.tensors?.path ?? "none");
  if (file.length !== result.tensors?.bytes) throw new Error(`${file.length} bytes`);
  return Object.fromEntries(readZip(file).map(({ name, bytes: npy }) => [name, readNumpy(npy)]));
}

const row = { kind: "row" } as const;
const array = (descr: string, shape: readonly number[], values: readonly number[]): ReadNumpy => ({
  descr,
  shape,
  values,
});

test("what a network gives is kept as arrays, and what could not be read is just absent", async (t) => {
  const broken = await folder.input(Buffer.from("no array"));
  const inputs = [await pair([1, 0.5, -3], [7, -8]), broken, await pair([0.25, 9, 0])];
  for (const alone of [false, true]) {
    const result = await ask(model, inputs, { numbers: [40, 41, 43], alone });
    t.deepEqual(result.outputs, [row, { kind: "error", code: "not_an_array" }, row]);
    t.deepEqual(await arraysIn(result), {
      "doubled.npy": array("<f4", [2, 3], [2, 1, -6, 0.5, 18, 0]),
      "negative.npy": array("<i8", [2, 2], [-7, 8, -1, -2]),
      "big.npy": array("|b1", [2, 3], [1, 0, 0, 0, 1, 0]),
      "input_index.npy": array("<i8", [2], [40, 43]),
    });
  }
});

test("only what the manifest names is kept, and where nothing could be read there is no file", async (t) => {
  const some = await writeArrayModel(folder.path, bytes, { outputs: outputsOfArrays.slice(1, 2) });
  const found = await arraysIn(await ask(some, [await pair([1, 2, 3])]));
  t.deepEqual(Object.keys(found), ["negative.npy", "input_index.npy"]);
  const none = await ask(some, [await folder.input(Buffer.alloc(0))]);
  t.is(none.tensors, undefined);
  await t.throwsAsync(stat(join(folder.path, `q${queries}.npz`)), { code: "ENOENT" });
});

test("the file is the same bytes however the inputs meet in runs of the network", async (t) => {
  const inputs = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => pair([i, i / 7, -i], [i, 2 ** 40 + i])),
  );
  const whole = await ask(model, inputs);
  const { "doubled.npy": doubled, "negative.npy": negative } = await arraysIn(whole);
  const again = await ask(model, inputs);
  t.deepEqual(await readFile(again.tensors?.path ?? ""), await readFile(whole.tensors?.path ?? ""));
  t.deepEqual(
    doubled?.values,
    inputs.flatMap((_, i) => [i, i / 7, -i].map((v) => 2 * Math.fround(v))),
  );
  t.deepEqual(
    negative?.values,
    inputs.flatMap((_, i) => [0 - i, -(2 ** 40) - i]),
  );
});

test("infinities are kept, and spoil no other input's row", async (t) => {
  const of = await writeArrayModel(folder.path, bytes, {
    outputs: [{ name: "inverse", type: "float32", shape: [3] }],
  });
  const inputs = await Promise.all(Array.from({ length: 16 }, async (_, i) => pair([i % 2, 2, 4])));
  const { "inverse.npy": inverse } = await arraysIn(await ask(of, inputs));
  t.deepEqual(
    inverse?.values,
    inputs.flatMap((_, i) => [i % 2 === 0 ? Infinity : 1, 0.5, 0.25]),
  );
});

test("an answer of another shape is that input's error, not the query's", async (t) => {
  const of = await writeArrayModel(folder.path, bytes, {
    outputs: [{ name: "small", type: "int64", shape: [2, 3] }],
  });
  const inputs = [await pair([0, 0, 0]), await pair([1, 0, 0]), await pair([0.5, 0.1, 0])];
  const result = await ask(of, [...inputs, ...inputs]);
  const outcomes = [row, { kind: "error", code: "wrong_output" } as const, row];
  t.deepEqual(result.outputs, [...outcomes, ...outcomes]);
  const { "small.npy": small, "input_index.npy": index } = await arraysIn(result);
  t.deepEqual(small?.shape, [4, 2, 3]);
  t.deepEqual(index?.values, [0, 2, 3, 5]);
});

test("an image network's answer may be kept as arrays", async (t) => {
  const picture = encodeModel({ hasLogits: true });
  const { path, manifest, sha256 } = await writeModel(folder.path, picture);
  const { output: _, topK: __, ...rest } = manifest;
  const outputs = [
    { name: "logits", type: "float32" as const, shape: [CLASSES] },
    { name: "scores", type: "float32" as const, shape: [CLASSES] },
  ];
  const of = { path, sha256, manifest: { ...rest, outputs } };
  const inputs = await Promise.all([9, 200].map(async (v) => folder.input(await plain(v))));
  const { "logits.npy": logits, "scores.npy": scores } = await arraysIn(await ask(of, inputs));
  t.deepEqual(logits?.shape, [2, CLASSES]);
  // The plain network ends in an identity.
  t.deepEqual(logits, scores);
  t.not(new Set(logits?.values).size, 1);
});

test("arrays can be classified, in a file of one array or with names, with or without a leading 1", async (t) => {
  const values = [0.5, 3, -1, 2];
  const data = new Uint8Array(Float32Array.from(values).buffer);
  const zipped = npzOf([{ name: "x", type: "float32", shape: [4], data }]);
  const inputs = [floatsFile([4], values), floatsFile([1, 4], values), Buffer.concat(zipped)];
  const { outputs, tensors } = await ask(
    scores,
    await Promise.all(inputs.map(async (file) => folder.input(file))),
  );
  const top = {
    kind: "classes",
    top: [
      [1, 3_000_000],
      [3, 2_000_000],
    ],
  } as const;
  t.deepEqual(outputs, [top, top, top]);
  t.is(tensors, undefined);
});

const eightBytes = Buffer.alloc(8);
for (const [what, file, code] of [
  ["nothing", Buffer.alloc(0), "not_an_array"],
  ["an image", image9, "not_an_array"],
  ["another shape", floatsFile([2, 2], [1, 2, 3, 4]), "wrong_shape"],
  ["two rows", floatsFile([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), "wrong_shape"],
  ["doubles", numpyFile("<f8", "(4,)", Buffer.alloc(32)), "wrong_type"],
  ["big-endian values", numpyFile(">f4", "(4,)", Buffer.alloc(16)), "unsupported_array"],
  [
    "a file of another name",
    Buffer.concat(npzOf([{ name: "y", type: "uint8", shape: [8], data: eightBytes }])),
    "missing_array",
  ],
  [
    "a large file of the name",
    Buffer.concat(
      npzOf([{ name: "x", type: "uint8", shape: [99_999], data: Buffer.alloc(99_999) }]),
    ),
    "wrong_shape",
  ],
  [
    "an archive cut in half",
    Buffer.concat(npzOf([{ name: "x", type: "uint8", shape: [8], data: eightBytes }])).subarray(
      0,
      90,
    ),
    "not_an_array",
  ],
  ["an infinity", floatsFile([4], [1, Infinity, 2, 3]), "wrong_output"],
] as const)
  test(`an input that is ${what} becomes ${code} beside good results`, async (t) => {
    const good = await folder.input(floatsFile([4], [1, 2, 3, 4]));
    const { outputs } = await ask(scores, [good, await folder.input(file), good]);
    t.deepEqual(
      outputs.map((output) => (output.kind === "error" ? output.code : output.kind)),
      ["classes", code, "classes"],
    );
  });

test("a network of two inputs takes no file of one array", async (t) => {
  const { outputs } = await ask(model, [await folder.input(floatsFile([3], [1, 2, 3]))]);
  t.deepEqual(outputs, [{ kind: "error", code: "missing_array" }]);
});

test("arrays that cannot be written are the machine's trouble: the query may be tried again", async (t) => {
  const input = await pair([1, 2, 3]);
  const tensorsTo = { path: join(folder.path, "no-such-folder", "q.npz"), numbers: [0] };
  const request = { id: "unwritten", model, inputs: [input], timeoutMs: 60_000, tensorsTo };
  for (const run of [executor.run(request), executor.runAlone(request)]) {
    const error = await t.throwsAsync(run);
    t.true(hasCode(error, "BUSY"), String(error));
    t.regex(error?.message ?? "", /ENOENT/);
  }
});

const image = { name: "a", layout: "nchw" as const, height: 8, width: 8 };
for (const [what, change, why] of [
  ["an image and arrays", { input: image, outputs: outputsOfArrays }, /neither input nor/],
  ["scores and arrays", { outputs: outputsOfArrays, topK: 3 }, /no output, topK or labels/],
  ["no outputs", {}, /neither an output with its topK nor outputs/],
  [
    "one input twice",
    { inputs: [...inputsOfArrays, ...inputsOfArrays], outputs: outputsOfArrays },
    /names one of its inputs twice/,
  ],
  [
    "an input too few",
    { inputs: inputsOfArrays.slice(0, 1), outputs: outputsOfArrays },
    /it needs more than its manifest says: b \(int64/,
  ],
  [
    "an input of another shape",
    {
      inputs: [{ name: "a", type: "float32", shape: [4] }, inputsOfArrays[1]!],
      outputs: outputsOfArrays,
    },
    /input a \(float32 \[N, 3\]\) is not \[N, 4\] of float32/,
  ],
  [
    "an output of another type",
    { outputs: [{ name: "big", type: "uint8", shape: [3] }] },
    /output big \(bool/,
  ],
  [
    "an output of another name",
    { outputs: [{ name: "c", type: "uint8", shape: [3] }] },
    /no output c/,
  ],
  [
    "the name of the row numbers",
    { outputs: [{ name: "input_index", type: "int64", shape: [] }] },
    /no output may have the name/,
  ],
  [
    "an output that never has that shape",
    { outputs: [{ name: "small", type: "int64", shape: [2, 2] }] },
    /output small is int64 \[1, 2, 3\] for 1 input/,
  ],
  [
    "rows beyond all limits",
    { outputs: [{ name: "big", type: "float32", shape: [10_000, 10_000] }] },
    /has 400000000 bytes; at most/,
  ],
] as readonly (readonly [string, Partial<ModelManifest>, RegExp])[])
  test(`a manifest with ${what} is refused`, async (t) => {
    const wrong = await writeArrayModel(folder.path, bytes, change);
    for (const refused of [executor.load(wrong), executor.validate(wrong)]) {
      const error = await t.throwsAsync(refused);
      t.true(hasCode(error, "BAD_MODEL"), String(error));
      t.regex(error?.message ?? "", why);
    }
  });

test("a network for one input at a time serves queries of many", async (t) => {
  const single = await writeArrayModel(folder.path, encodeArrayModel({ batch: 1 }));
  const inputs = await Promise.all([1, 2, 3].map(async (v) => pair([v, v, v])));
  const { "doubled.npy": doubled } = await arraysIn(await ask(single, inputs));
  t.deepEqual(doubled, array("<f4", [3, 3], [2, 2, 2, 4, 4, 4, 6, 6, 6]));
});

test("arrays of zeros show what a network gives, and what it leaves free is told", async (t) => {
  const inspect = async (of: LocalModel) =>
    executor.inspect({ name: "net", sha256: of.sha256, path: of.path, inputKind: "tensor" });
  const { notRun, outputs } = await inspect(model);
  t.is(notRun, undefined);
  t.deepEqual(
    outputs.map(({ name, type, shape }) => [name, type, shape]),
    [
      ["doubled", "float32", [1, 3]],
      ["negative", "int64", [1, 2]],
      ["big", "bool", [1, 3]],
      ["inverse", "float32", [1, 3]],
      ["small", "int64", [1, 2, 3]],
    ],
  );
  const free = await inspect(
    await writeArrayModel(folder.path, encodeArrayModel({ width: "width" })),
  );
  t.regex(free.notRun ?? "", /a \(float32 \[N, width\]\) leaves more free than its first/);
});
