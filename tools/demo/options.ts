/** What the demo can be told. */
import { parseArgs } from "node:util";

export interface DemoOptions {
  readonly nodes: number;
  /** A folder of the user's instead of the photos that come with it. */
  readonly images: string | undefined;
  /** Leave the cluster up at the end. */
  readonly keep: boolean;
}

export const usage = `npm run demo -- [--nodes N] [--images DIR] [--keep]
  --nodes N     how many nodes, 3 to 9 (default 5)
  --images DIR  use the images in this folder (default: 240 photos cut from packages)
  --keep        leave the cluster up at the end`;

/** @throws Error saying what is wrong with the command line */
export function readOptions(args: readonly string[]): DemoOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: "string", default: "5" },
      images: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const nodes = Number(values.nodes);
  if (!Number.isInteger(nodes) || nodes < 3 || nodes > 9)
    throw new Error(`--nodes must be 3 to 9, not ${values.nodes}`);
  return { nodes, images: values.images, keep: values.keep };
}
