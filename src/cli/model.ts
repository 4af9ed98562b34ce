/** `idunno model`: networks that jobs can name. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { ModelView } from "../lib/api/cluster.ts";
import { IDunnoError } from "../lib/errors.ts";
import { ModelManifest } from "../lib/model-manifest.ts";
import { parser } from "../lib/schema.ts";
import { humanBytes, humanLogTime } from "./format.ts";
import type { Column } from "./output.ts";
import { localSource, readable } from "./sdfs/local-files.ts";
import type { Open } from "./session.ts";

const columns: readonly Column<ModelView>[] = [
  { name: "model", value: ({ name }) => name },
  { name: "version", value: ({ version }) => version },
  {
    name: "input",
    value: ({ manifest: { input } }) => `${input.height}x${input.width} ${input.layout}`,
  },
  { name: "classes", value: ({ manifest }) => manifest.output.classes },
  {
    name: "size",
    value: ({ file }) => file.bytes,
    human: ({ file }) => humanBytes(file.bytes),
  },
  {
    name: "added",
    value: ({ addedAtMs }) => addedAtMs,
    human: ({ addedAtMs }) => humanLogTime(addedAtMs),
  },
  { name: "sha256", value: ({ manifest }) => manifest.sha256 },
];

const details: readonly Column<ModelView>[] = [
  ...columns,
  { name: "file", value: ({ file }) => `${file.path}@${file.version}` },
  { name: "activation", value: ({ manifest }) => manifest.output.activation },
  { name: "top", value: ({ manifest }) => manifest.topK },
  { name: "labels", value: ({ manifest }) => manifest.labels.slice(0, 10).join(", ") },
  { name: "source", value: ({ manifest }) => manifest.source },
];

/** The node fetches the model, opens it and runs it once before it answers: minutes for a large one on a busy machine. */
const addMs = 120_000;

/** A model's manifest under the name it is added by. @throws INVALID, MALFORMED */
export async function readManifest(file: string, name: string): Promise<ModelManifest> {
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

/** @throws BAD_MODEL when the file is not the one that the manifest describes */
async function checkHash(path: string, { name, sha256 }: ModelManifest): Promise<void> {
  const hash = createHash("sha256");
  for await (const piece of localSource(path)) hash.update(piece);
  const actual = hash.digest("hex");
  if (actual !== sha256)
    throw new IDunnoError("BAD_MODEL", {
      model: name,
      why: `${path} hashes to ${actual}, its manifest says ${sha256}: give the manifest that belongs to it with --manifest`,
    });
}

export function addModelCommands(program: Command, open: Open): void {
  const model = program
    .command("model")
    .description("networks that jobs can use")
    .addHelpText(
      "after",
      `
Examples:
  idunno model add mobilenet models/mobilenet.onnx     reads models/mobilenet.json as its manifest
  idunno model ls
  idunno job submit --model mobilenet --input images/`,
    );

  model
    .command("add <name> <path>")
    .description("upload a local .onnx file and make it known under a name")
    .option("--manifest <file>", "what its input and output are (default: PATH with .json)")
    .action(
      async (name: string, path: string, options: { manifest?: string }, command: Command) => {
        const session = open(command);
        const { signal } = session;
        const client = session.patient(addMs);
        const local = session.local(path);
        const manifestFile = session.local(
          options.manifest ?? path.replace(/(\.onnx)?$/i, ".json"),
        );
        const manifest = await readManifest(manifestFile, name);
        await checkHash(local, manifest);
        const file = await client.putFile(
          `models/${name}/model.onnx`,
          { kind: "reopen", open: () => localSource(local) },
          { signal },
        );
        const body = { manifest, file: { path: file.path, version: file.version } };
        const added = await client.addModel(body, { signal });
        await session.print.record(added, columns);
        session.note(`next: idunno job submit --model ${name} --input PREFIX`);
      },
    );

  model
    .command("ls")
    .description("list the models")
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      await session.print.rows(await session.client.models({ signal: session.signal }), columns);
    });

  model
    .command("show <name>")
    .description("everything about one model")
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const view = await session.client.model(name, { signal: session.signal });
      await session.print.record(view, details);
    });
}
