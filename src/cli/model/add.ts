/** `idunno model add`: a network from this machine or the web, with its manifest, or described by flags and by itself. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { ModelView } from "../../lib/api/cluster.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { modelPath } from "../../lib/model-reference.ts";
import { ModelManifest } from "../../lib/model-manifest.ts";
import { parser } from "../../lib/schema.ts";
import { describeRow } from "../../lib/tensors.ts";
import type { Column } from "../output.ts";
import { localContent, localSource, readable } from "../sdfs/local-files.ts";
import type { Open, Session } from "../session.ts";
import { describeNetwork } from "./describe.ts";
import {
  addDescribingOptions,
  describing,
  type DescribingOptions,
  optionOf,
  pointlessIn,
} from "./describing-options.ts";
import { download, downloadLimits, isOtherUrl, isUrl } from "./download.ts";
import { untilLoaded } from "./loading.ts";

/** The node fetches the model, opens it and runs it once before it answers: minutes for a large one on a busy machine. */
const addMs = 120_000;
/** 65,536 labels of 256 characters. */
const labelBytes = 16 * 1024 * 1024;

interface AddOptions extends DescribingOptions {
  readonly manifest?: string;
  readonly sha256?: string;
  readonly wait: boolean;
}

export function addAddCommand(
  group: Command,
  open: Open,
  columns: readonly Column<ModelView>[],
): void {
  const command = group
    .command("add <name> <path>")
    .description("make a network known under a name: an .onnx file of this machine, or a URL")
    .option(
      "--manifest <file>",
      "what its input and output are (default: PATH with .json, if it is there)",
    )
    .option("--sha256 <hash>", "of the file; a must for URLs", hash);
  addDescribingOptions(command)
    .option("--no-wait", "come back once it is known; nodes go on loading it")
    .addHelpText(
      "after",
      `
Presets: imagenet (its mean and deviation, RGB, centre crop), caffe (its mean, BGR, centre crop), tf (-1..1),
unit (0..1), byte (0..255).

Examples:
  idunno model add mobilenet models/mobilenet.onnx     reads models/mobilenet.json as its manifest
  idunno model add resnet resnet50.onnx --preset imagenet --labels imagenet.txt
  idunno model add resnet https://example.org/resnet50.onnx --sha256 6f1a… --preset imagenet
  idunno model add embedder clip.onnx --preset imagenet --task tensors --output-name embedding
  idunno model add tagger tagger.onnx --input-kind tensor

A node opens the network and runs it once: names, shapes, classes, and whether its scores are probabilities are read
from it. What it cannot tell is asked for. Then every node loads it; exits with 1 when one cannot, which is said with the reason.`,
    )
    .action(async (name: string, path: string, options: AddOptions) => {
      const session = open(command);
      const added = await add(session, { name, path }, options);
      const isAwaited = options.wait && added.preloaded;
      await session.print.record(isAwaited ? await untilLoaded(session, added) : added, columns);
      session.note(`next: idunno job submit --model ${name} --input PREFIX`);
    });
}

async function add(
  session: Session,
  { name, path }: { readonly name: string; readonly path: string },
  options: AddOptions,
): Promise<ModelView> {
  const { signal } = session;
  const wanted = checkOptions(path, options);
  const labels =
    options.labels === undefined ? undefined : await readLabels(session.local(options.labels));
  const withinMs = session.timeoutMs ?? downloadLimits.withinMs;
  await using fetched = isUrl(path)
    ? await download({ url: path, name, sha256: wanted ?? "" }, signal, {
        ...downloadLimits,
        withinMs,
      })
    : undefined;
  const local = fetched?.path ?? session.local(path);
  const manifest = await manifestOf(session, { name, path }, options);
  const sha256 = await hashOf(local);
  if (manifest !== undefined && sha256 !== manifest.sha256)
    throw badHash(
      name,
      `${path} hashes to ${sha256}, its manifest says ${manifest.sha256}: give the manifest that belongs to it with --manifest`,
    );
  if (wanted !== undefined && sha256 !== wanted)
    throw badHash(
      name,
      `${path} hashes to ${sha256}, not to ${wanted}: it is another file than the one you meant`,
    );
  const client = session.patient(addMs);
  const { path: at, version } = await client.putFile(
    modelPath(name),
    { kind: "reopen", open: () => localSource(local) },
    { signal },
  );
  const file = { path: at, version };
  if (manifest !== undefined) return await client.addModel({ manifest, file }, { signal });
  const { layout, inputKind, size } = options;
  const hints = {
    ...(inputKind === undefined ? {} : { inputKind }),
    ...(layout === undefined ? {} : { layout }),
    ...size,
  };
  const network = await client.inspect({ file, sha256, ...hints }, { signal });
  const source = options.source ?? (isUrl(path) ? path.slice(0, 1_024) : undefined);
  const described = describeNetwork({ name, sha256 }, network, {
    ...options,
    outputs: options.outputName,
    ...size,
    labels,
    source,
  });
  session.note(sentence(described));
  return await client.addModel({ manifest: described, file }, { signal });
}

/** @returns the hash that the file must have, if one is given */
function checkOptions(path: string, options: AddOptions): string | undefined {
  const said = describing.find((option) => options[option] !== undefined);
  if (options.manifest !== undefined && said !== undefined)
    throw usage(`--manifest says all that --${optionOf(said)} would: give one or the other`);
  const wrong = pointlessIn(options);
  if (wrong !== undefined) throw usage(wrong);
  if (isOtherUrl(path))
    throw usage(
      `${path}: only http:// and https:// can be fetched from; download it, and give the file`,
    );
  if (isUrl(path) && options.sha256 === undefined)
    throw usage(
      `${path}: give the hash of the file with --sha256, so that nobody can put another in its place`,
    );
  return options.sha256;
}

/** The manifest given, or the one beside the file when nothing is said on the command line; undefined: it is to be made. */
async function manifestOf(
  session: Session,
  { name, path }: { readonly name: string; readonly path: string },
  options: AddOptions,
): Promise<ModelManifest | undefined> {
  if (options.manifest !== undefined) return readManifest(session.local(options.manifest), name);
  if (isUrl(path) || describing.some((option) => options[option] !== undefined)) return undefined;
  const beside = session.local(path.replace(/(\.onnx)?$/i, ".json"));
  const found = await stat(beside).catch(() => undefined);
  return found === undefined ? undefined : readManifest(beside, name);
}

/** A model's manifest under the name it is added by. @throws INVALID, MALFORMED */
async function readManifest(file: string, name: string): Promise<ModelManifest> {
  const text = await readable(file, async () => readFile(file, "utf8"));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IDunnoError("MALFORMED", { path: file, expected: "JSON" }, { cause });
  }
  return parser(
    ModelManifest,
    file,
  )(typeof value === "object" && value !== null ? { ...value, name } : value);
}

async function readLabels(file: string): Promise<string[]> {
  const text = Buffer.from(await localContent(file, labelBytes)).toString("utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.trim());
}

async function hashOf(path: string): Promise<string> {
  const sum = createHash("sha256");
  for await (const piece of localSource(path)) sum.update(piece);
  return sum.digest("hex");
}

/** What was made of the flags and the network, so that a wrong guess is seen. */
function sentence(manifest: ModelManifest): string {
  return `it takes ${taken(manifest)}, and gives ${given(manifest)}`;
}

function taken({ input, preprocessing, inputs = [] }: ModelManifest): string {
  if (input === undefined) return inputs.map(describeRow).join(" and ");
  const { height, width, layout, type = "float32" } = input;
  return `${height}x${width} ${preprocessing?.channelOrder} ${layout} ${type} (${preprocessing?.resize})`;
}

function given({ output, outputs = [] }: ModelManifest): string {
  if (output === undefined) return outputs.map(describeRow).join(" and ");
  const { classes, name, activation } = output;
  const meaning = activation === "none" ? "as they come" : "logits: softmax is applied";
  return `${classes} classes at ${name} (${meaning})`;
}

function hash(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError("Expected 64 hex digits.");
  return text.toLowerCase();
}

function badHash(model: string, why: string): IDunnoError {
  return new IDunnoError("BAD_MODEL", { model, why });
}

function usage(message: string): IDunnoError {
  return new IDunnoError("USAGE", { message });
}
