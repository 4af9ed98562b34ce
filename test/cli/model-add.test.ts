/** What `model add` makes of flags and of what a network says of itself, and what it asks for. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { describeNetwork, type Given } from "../../src/cli/model/describe.ts";
import { hasCode } from "../../src/lib/errors.ts";
import type { ImageClassifier } from "../../src/lib/model-manifest.ts";
import type { Network, NetworkOutput } from "../../src/lib/network.ts";
import { FakeNode } from "../client/fake-node.ts";
import { webServer } from "./web-server.ts";
import { idunno, type Outcome } from "./world.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const logits = { least: -2, greatest: 3, sum: 9 };
const probabilities = { least: 0.1, greatest: 0.5, sum: 1 };

function network(
  shape: readonly (string | number)[] = ["N", 3, 224, 224],
  values: NetworkOutput["values"] = logits,
  type = "float32",
): Network {
  return {
    inputs: [{ name: "image", type, shape: [...shape] }],
    outputs: [
      {
        name: "scores",
        type: "float32",
        shape: [1, 7],
        ...(values === undefined ? {} : { values }),
      },
    ],
  };
}

const model = { name: "m", sha256: "0".repeat(64) };

/** Of an image classifier, which most of them are. */
const described = (from: Network, given: Given): ImageClassifier =>
  describeNetwork(model, from, given) as ImageClassifier;

test("a network and a preset give a manifest", (t) => {
  const manifest = described(network(), { preset: "imagenet", source: "a test" });
  t.deepEqual(manifest, {
    format: 1,
    name: "m",
    sha256: "0".repeat(64),
    input: { name: "image", layout: "nchw", height: 224, width: 224 },
    output: { name: "scores", classes: 7, activation: "softmax" },
    preprocessing: {
      resize: "crop",
      shortSide: 256,
      channelOrder: "rgb",
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
    labels: [],
    topK: 5,
    source: "a test",
  });
});

test("layout, size, channels and type come from the input's shape", (t) => {
  const input = (shape: readonly (string | number)[], given: Given = {}, type = "float32") => {
    const { input: of, preprocessing } = described(network(shape, logits, type), {
      preset: type === "uint8" ? undefined : "tf",
      ...given,
    });
    return [
      of.layout,
      of.height,
      of.width,
      of.type,
      preprocessing.channelOrder,
      preprocessing.resize,
    ];
  };
  const size = { height: 5, width: 6 };
  t.deepEqual(input(["N", 20, 30, 3]), ["nhwc", 20, 30, undefined, "rgb", "fill"]);
  t.deepEqual(input([1, 1, 8, 9]), ["nchw", 8, 9, undefined, "grey", "fill"]);
  t.deepEqual(input(["", "c", "h", "w"], { ...size, layout: "nhwc" }), [
    "nhwc",
    5,
    6,
    undefined,
    "rgb",
    "fill",
  ]);
  t.deepEqual(input(["N", 3, "h", "w"], { ...size, resize: "fit-left" }), [
    "nchw",
    5,
    6,
    undefined,
    "rgb",
    "fit-left",
  ]);
  t.deepEqual(input(["N", 4, 4, 3], {}, "uint8"), ["nhwc", 4, 4, "uint8", "rgb", "fill"]);
});

test("the short side of a crop is in proportion, and goes with the crop", (t) => {
  const of = (side: number, given: Given) =>
    described(network(["N", 3, side, side]), given).preprocessing.shortSide;
  t.is(of(299, { preset: "imagenet" }), 342);
  t.is(of(224, { preset: "caffe" }), 256);
  t.is(of(224, { preset: "imagenet", resize: "fill" }), undefined);
  t.is(of(224, { preset: "unit", resize: "crop" }), undefined);
});

test("scores that add up to 1 are probabilities, others outside 0..1 are logits", (t) => {
  const activation = (values: typeof logits, given: Given = {}) =>
    described(network(undefined, values), { preset: "unit", ...given }).output.activation;
  t.is(activation(probabilities), "none");
  t.is(activation(logits), "softmax");
  t.is(activation(logits, { activation: "none" }), "none");
  t.is(activation({ least: 0, greatest: 0.9, sum: 3 }, { activation: "none" }), "none");
});

const both = {
  ...network(),
  outputs: ["a", "b"].map((name) => ({ ...network().outputs[0]!, name })),
};

test("one of several outputs is named, and its classes may have ones behind them", (t) => {
  t.is(described(both, { preset: "unit", outputs: ["b"] }).output.name, "b");
  const ones: Network = {
    ...network(),
    outputs: [{ ...network().outputs[0]!, shape: [1, 9, 1, 1] }],
  };
  t.is(described(ones, { preset: "unit" }).output.classes, 9);
  t.is(described(ones, { preset: "unit", top: 9 }).topK, 9);
});

for (const [what, from, given, code, why] of [
  ["no preset", network(), {}, "USAGE", /--preset imagenet: .*--preset byte/],
  ["no size", network(["N", 3, "h", "w"]), { preset: "tf" }, "USAGE", /--size/],
  [
    "no layout",
    network(["N", "a", "b", "c"]),
    { preset: "tf" },
    "USAGE",
    /--layout nchw or --layout nhwc/,
  ],
  ["several outputs", both, { preset: "tf" }, "USAGE", /--output-name a or --output-name b/],
  [
    "another output",
    both,
    { preset: "tf", outputs: ["c"] },
    "USAGE",
    /no output c; it has a \(float32/,
  ],
  [
    "scores of some kind",
    network(undefined, { least: 0, greatest: 0.9, sum: 3 }),
    { preset: "tf" },
    "USAGE",
    /--activation none/,
  ],
  ["several gaps at once", network(["N", 3, "h", "w"]), {}, "USAGE", /--size .*; nor .*--preset/],
  [
    "too few labels",
    network(),
    { preset: "tf", labels: ["a"] },
    "INVALID",
    /there are 1, and the network has 7/,
  ],
  ["colours for grey", network(["N", 1, 8, 8]), { preset: "imagenet" }, "USAGE", /takes grey/],
  [
    "floats for bytes",
    network(undefined, logits, "uint8"),
    { preset: "tf" },
    "USAGE",
    /takes bytes/,
  ],
  [
    "another size",
    network(),
    { preset: "tf", height: 8, width: 8 },
    "BAD_MODEL",
    /are 224x224, not 8x8/,
  ],
  ["a fixed batch", network([4, 3, 8, 8]), { preset: "tf" }, "BAD_MODEL", /exactly 4 images/],
  ["no image", network(["N", 9]), { preset: "tf" }, "BAD_MODEL", /takes no image/],
  [
    "four channels",
    network(["N", 4, 8, 8]),
    { preset: "tf", layout: "nchw" },
    "BAD_MODEL",
    /4 channels/,
  ],
  [
    "two inputs",
    { inputs: [...network().inputs, ...network().inputs], outputs: [] },
    { preset: "tf" },
    "BAD_MODEL",
    /2 inputs/,
  ],
  [
    "a failed run",
    { ...network(), notRun: "it fails on an image of zeros: no" },
    { preset: "tf" },
    "BAD_MODEL",
    /it fails/,
  ],
  [
    "boxes",
    { ...network(), outputs: [{ name: "boxes", type: "float32", shape: [1, 9, 4] }] },
    { preset: "tf", activation: "none" },
    "BAD_MODEL",
    /no list of scores/,
  ],
] as readonly (readonly [string, Network, Given, "USAGE" | "INVALID" | "BAD_MODEL", RegExp])[])
  test(`${what}: refused with what to give`, (t) => {
    const error = t.throws(() => described(from, given));
    t.true(hasCode(error, code), String(error));
    t.regex(error?.message ?? "", why);
  });

// --- the command ------------------------------------------------------------------------------------------------------

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "idunno-model-add-"));
  t.teardown(async () => rm(path, { recursive: true }));
  return path;
}

test("a network is added from flags, and a manifest beside it is then not read", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.network = network();
  const directory = await folder(t);
  await writeFile(join(directory, "net.onnx"), "weights");
  await writeFile(join(directory, "net.json"), "no manifest");
  await writeFile(join(directory, "labels.txt"), "a\r\nb\nc\nd\ne\nf\ng g\n\n");
  const add = async (...argv: string[]): Promise<Outcome> =>
    idunno(["model", "add", "mine", ...argv], { directory, env: { IDUNNO_NODE: node.address } });
  const flags = [
    "--preset",
    "tf",
    "--output-name",
    "scores",
    "--labels",
    "labels.txt",
    "--top",
    "2",
  ];
  const { code, err } = await add("net.onnx", ...flags);
  t.is(code, 0, err);
  t.regex(
    err,
    /it takes 224x224 rgb nchw float32 \(fill\), and gives 7 classes at scores \(logits/,
  );
  t.regex(err, /n1 has it loaded\nnext: idunno job submit/);
  t.like(node.cluster.models.get("mine")?.manifest, {
    sha256: sha256("weights"),
    topK: 2,
    labels: ["a", "b", "c", "d", "e", "f", "g g"],
  });
  node.cluster.looks = [[{ node: "n1", state: "failed", why: "no memory" }]];
  const failed = await add("net.onnx", ...flags);
  t.is(failed.code, 1);
  t.regex(failed.err, /n1 cannot load it: no memory/);
  t.is((await add("net.onnx", ...flags, "--no-wait")).code, 0);
  t.regex(
    (await add("net.onnx", "--manifest", "net.json", "--output-name", "x")).err,
    /all that --output-name would/,
  );
  t.is((await add("net.onnx")).code, 1, "the manifest beside it is no JSON");
  await rm(join(directory, "net.json"));
  const asked = await add("net.onnx");
  t.is(asked.code, 2);
  t.regex(asked.err, /does not tell .*--preset imagenet/);
  t.regex(
    (await add("net.onnx", ...flags, "--sha256", "ab".repeat(32))).err,
    /hashes to .*\[BAD_MODEL\]/,
  );
});

test("a network is added from a URL when its hash is given and right", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.network = network();
  const web = await webServer(t, (request, response) => {
    if (request.url === "/moved") response.writeHead(302, { location: "/net.onnx" }).end();
    else response.end("weights");
  });
  const add = async (...argv: string[]): Promise<Outcome> =>
    idunno(["model", "add", "mine", `${web}/moved`, "--preset", "tf", ...argv], {
      env: { IDUNNO_NODE: node.address },
    });
  t.regex((await add()).err, /--sha256, so that nobody .*\[USAGE\]/);
  const ftp = await idunno(["model", "add", "mine", "ftp://a/net.onnx", "--preset", "tf"]);
  t.regex(ftp.err, /only http:\/\/ and https:\/\/ .*\[USAGE\]/);
  t.regex((await add("--sha256", "ab".repeat(32))).err, /hashes to .*\[BAD_MODEL\]/);
  t.is(node.cluster.files.size, 0, "nothing is put before the hash is right");
  const { code, err } = await add("--sha256", sha256("weights"));
  t.is(code, 0, err);
  t.is(node.cluster.models.get("mine")?.manifest.source, `${web}/moved`);
  t.is(node.cluster.files.get("models/mine/model.onnx")?.[0]?.content.toString(), "weights");
});
