/** `dev.json`: what `idunno dev` remembers of a local cluster between two commands. Written aside and renamed. */
import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";
import { parser, type Static, Type } from "../../lib/schema.ts";
import { isRunning } from "./process-identity.ts";

const closed = { additionalProperties: false } as const;
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

export const DevNode = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }),
    peerPort: Port,
    httpPort: Port,
    /** The daemon started last; whether it still runs is for the process table to say. */
    process: Type.Optional(
      Type.Object({ pid: Type.Integer({ minimum: 2 }), identity: Type.String() }, closed),
    ),
  },
  closed,
);
export type DevNode = Static<typeof DevNode>;

export const DevState = Type.Object(
  {
    format: Type.Literal(1),
    slots: Type.Integer({ minimum: 1, maximum: 1024 }),
    nodes: Type.Array(DevNode, { minItems: 1, maxItems: 99 }),
  },
  closed,
);
export type DevState = Static<typeof DevState>;

/** All daemons of a dev cluster listen here: it is for one machine. */
export const devHost = "127.0.0.1";

const parseState = parser(DevState, "dev.json");

function stateFile(directory: string): string {
  return join(directory, "dev.json");
}

/** @returns undefined when there is no cluster in this directory @throws MALFORMED */
export function readDevState(directory: string): DevState | undefined {
  const file = stateFile(directory);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw cause;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IDunnoError("MALFORMED", { path: file, expected: "JSON" }, { cause });
  }
  return parseState(value);
}

export async function writeDevState(directory: string, state: DevState): Promise<void> {
  const file = stateFile(directory);
  const aside = `${file}.${process.pid}`;
  await writeFile(aside, `${JSON.stringify(parseState(state), undefined, 2)}\n`);
  await rename(aside, file);
}

/** HTTP addresses of the nodes that run now; none when there is no cluster. */
export function nodesOfDevCluster(directory: string): string[] {
  return (readDevState(directory)?.nodes ?? [])
    .filter((node) => node.process !== undefined && isRunning(node.process))
    .map(({ httpPort }) => `${devHost}:${httpPort}`);
}
