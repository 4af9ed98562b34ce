/** `idunno model`: networks that jobs can name. */
import type { Command } from "commander";
import type { ModelView } from "../../lib/api/cluster.ts";
import { humanBytes, humanLogTime } from "../format.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";
import { addAddCommand } from "./add.ts";

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
  idunno job submit --model mobilenet --input images/`,
    );

  addAddCommand(model, open, columns);

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
