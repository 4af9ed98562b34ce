/**
 * Which folder of a data directory is the state: `state`, or what the pointer file `state.json` names, once a snapshot
 * has taken its place. Also what lies beside it: a snapshot that is still coming, and a state that was found damaged.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { IDunnoError } from "../../lib/errors.ts";
import { parser, Type } from "../../lib/schema.ts";
import type { FileSystem } from "./disk.ts";
import { syncDirectory, writeDurably } from "./identity.ts";

const pointerFile = "state.json";

export interface StatePointer {
  /** The folder's name. */
  readonly folder: string;
  /** Applied index of the snapshot that was installed as this folder; 0: none was. */
  readonly installedIndex: number;
}

const parse = parser(
  Type.Object(
    {
      format: Type.Literal(1),
      folder: Type.String({ pattern: "^state(?:-[0-9]{1,9})?$" }),
      installedIndex: Type.Integer({ minimum: 0 }),
      crc: Type.Integer({ minimum: 0 }),
    },
    { additionalProperties: false },
  ),
  pointerFile,
);

/**
 * Where the state is, or is to be made.
 * @throws IDunnoError CORRUPT when the pointer is damaged: it is one line, which can be written by hand
 */
export async function readStatePointer(
  directory: string,
  files: FileSystem,
): Promise<StatePointer> {
  const path = join(directory, pointerFile);
  let text: string;
  try {
    text = await files.readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return { folder: "state", installedIndex: 0 };
    throw error;
  }
  try {
    const { folder, installedIndex, crc } = parse(JSON.parse(text));
    if (crc === checksum({ folder, installedIndex })) return { folder, installedIndex };
  } catch (cause) {
    throw damaged(path, cause);
  }
  throw damaged(path, undefined);
}

function damaged(path: string, cause: unknown): IDunnoError {
  return new IDunnoError(
    "CORRUPT",
    {
      file: path,
      at: "its content",
      remedy:
        "restore it from a copy; or, if other nodes have the data, delete it together with the state folders beside it: the node is refilled by its peers",
    },
    { cause },
  );
}

export async function writeStatePointer(
  directory: string,
  pointer: StatePointer,
  files: FileSystem,
): Promise<void> {
  const { folder, installedIndex } = pointer;
  const content = { format: 1, folder, installedIndex, crc: checksum(pointer) };
  await writeDurably({ directory, name: pointerFile }, `${JSON.stringify(content)}\n`, files);
}

function checksum({ folder, installedIndex }: StatePointer): number {
  return crc32(`${folder} ${installedIndex}`);
}

/** The other folders that are or were to be states, the newest last. */
export async function otherStates(
  directory: string,
  current: string,
  files: FileSystem,
): Promise<string[]> {
  const names = await files.readdir(directory);
  return names
    .filter((name) => /^state(?:-\d+)?$/.test(name) && name !== current)
    .sort((a, b) => numberOf(a) - numberOf(b));
}

/** A name that no folder has had yet, as far as can be seen. */
export function nextState(names: readonly string[]): string {
  return `state-${Math.max(1, ...names.map(numberOf)) + 1}`;
}

function numberOf(name: string): number {
  return Number(/-(\d+)$/.exec(name)?.[1] ?? 1);
}

/** Renames a damaged folder to `<name>.damaged-<n>`, for whoever wants to know why. One is kept. */
export async function setAside(
  directory: string,
  name: string,
  files: FileSystem,
): Promise<string> {
  const stem = name.replace(/-\d+$/, "");
  const old = (await files.readdir(directory)).filter((each) =>
    each.startsWith(`${stem}.damaged-`),
  );
  const aside = `${stem}.damaged-${Math.max(0, ...old.map(numberOf)) + 1}`;
  await files.rename(join(directory, name), join(directory, aside));
  await syncDirectory(directory, files);
  for (const each of old) await files.rm(join(directory, each), { recursive: true });
  return aside;
}

/** Deletes log, mark and state of a directory whose cluster has gone on without them; chunks and identity stay. */
export async function forgetLog(directory: string, files: FileSystem): Promise<void> {
  const states = (await files.readdir(directory)).filter((name) =>
    /^(?:state|raft)(?:[-.]|$)/.test(name),
  );
  for (const name of [...states, pointerFile, "mark"])
    await files.rm(join(directory, name), { recursive: true, force: true });
  await syncDirectory(directory, files);
}
