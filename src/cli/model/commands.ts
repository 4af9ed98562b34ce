/** `idunno model`: networks that jobs can name. */
import type { Command } from "commander";
import type { ModelView } from "../../lib/api/cluster.ts";
import type { ModelManifest } from "../../lib/model-manifest.ts";
import { describeRow } from "../../lib/tensors.ts";
import { humanBytes, humanLogTime } from "../format.ts";
import { modelNamed } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";
import { addAddCommand } from "./add.ts";
import { addAliasCommands } from "./alias.ts";
import { addLoadCommands } from "./load.ts";
import { loadedOn, stateText } from "./loading.ts";
import { addRemoveCommand } from "./remove.ts";

const columns: readonly Column<ModelView>[] = [
  { name: "model", value: ({ name }) => name },
  { name: "version", value: ({ version }) => version },
  { name: "aliases", value: ({ aliases }) => aliases.join(" ") },
  {
    name: "loaded",
    value: (view) => (view.nodes === undefined ? undefined : loadedOn(view)),
    human: (view) => `${loadedOn(view)}/${view.nodes?.length ?? 0}`,
  },
  {
    name: "input",
    value: ({ manifest }) => describeInput(manifest),
  },
  { name: "classes", value: ({ manifest }) => manifest.output?.classes },
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
  { name: "jobs", value: ({ jobs }) => jobs },
  { name: "sha256", value: ({ manifest }) => manifest.sha256 },
];

const details: readonly Column<ModelView>[] = [
  ...columns,
  { name: "preloaded", value: ({ preloaded }) => preloaded },
  {
    name: "nodes",
    value: ({ nodes }) => nodes?.map(({ node, state }) => `${node}=${state}`).join(" "),
    human: ({ nodes = [] }) => nodes.map(stateText).join("; "),
  },
  { name: "file", value: ({ file }) => `${file.path}@${file.version}` },
  { name: "activation", value: ({ manifest }) => manifest.output?.activation },
  { name: "gives", value: ({ manifest }) => manifest.outputs?.map(describeRow).join(", ") },
  { name: "top", value: ({ manifest }) => manifest.topK },
  { name: "labels", value: ({ manifest }) => manifest.labels.slice(0, 10).join(", ") },
  { name: "source", value: ({ manifest }) => manifest.source },
];

function describeInput({ input, inputs = [] }: ModelManifest): string {
  if (input === undefined) return inputs.map(describeRow).join(", ");
  return `${input.height}x${input.width} ${input.layout}`;
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
  idunno model add resnet resnet50.onnx --preset imagenet
  idunno model ls
  idunno model versions mobilenet
  idunno model alias prod mobilenet@2
  idunno model unload mobilenet@2
  idunno job submit --model mobilenet --input images/`,
    );

  addAddCommand(model, open, columns);
  addAliasCommands(model, open);
  addLoadCommands(model, open, columns);
  addRemoveCommand(model, open);

  model
    .command("ls")
    .description("list the models: the newest version of each, and those that aliases name")
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      await session.print.rows(
        await session.client.models({ loaded: true, signal: session.signal }),
        columns,
      );
    });

  model
    .command("show")
    .argument("<name>", "NAME, NAME@VERSION, or an alias", modelNamed)
    .description("everything about one model")
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const view = await session.client.model(name, { loaded: true, signal: session.signal });
      await session.print.record(view, details);
    });

  model
    .command("versions <name>")
    .description(
      "list the versions of a model, oldest first, and how many unfinished jobs use each",
    )
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const { client, signal } = session;
      const views = await client.modelVersions(name, { loaded: true, signal });
      await session.print.rows(views, columns);
    });
}
