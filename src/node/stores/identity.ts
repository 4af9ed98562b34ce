/**
 * Whose data directory this is: bound for ever to a cluster, a generation, a node name and a random incarnation, all
 * of which every handshake checks. A wiped node gets another incarnation and cannot come back as the old one.
 */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";
import { parser, type Static, Type } from "../../lib/schema.ts";
import type { FileSystem } from "./disk.ts";

/** The data directory's format: a newer one is refused. */
export const directoryFormat = 1;

const NamedAddress = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }),
    host: Type.String(),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  },
  { additionalProperties: false },
);
const Identity = Type.Object(
  {
    format: Type.Integer({ minimum: 1 }),
    cluster: Type.String({ pattern: "^[0-9a-f]{32}$" }),
    generation: Type.Integer({ minimum: 1 }),
    node: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }),
    incarnation: Type.String({ pattern: "^[0-9a-f]{16}$" }),
    /** The first configuration: who the voters were when the cluster was made, and where. */
    founders: Type.Array(NamedAddress, { minItems: 1, maxItems: 15 }),
    /** Of a node that joined later: who the members were then, and where. */
    seeds: Type.Optional(Type.Array(NamedAddress, { maxItems: 1_024 })),
  },
  { additionalProperties: false },
);
export type Identity = Static<typeof Identity>;
export type Founder = Identity["founders"][number];

const parse = parser(Identity, "identity.json");

/** Reads the identity of a data directory; undefined when it has none yet. */
export async function readIdentity(
  directory: string,
  files: FileSystem,
): Promise<Identity | undefined> {
  const path = join(directory, "identity.json");
  let text: string;
  try {
    text = await files.readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IDunnoError(
      "CORRUPT",
      {
        file: path,
        at: "the start",
        remedy: "restore it from a copy, or start the node in a new directory",
      },
      { cause },
    );
  }
  if (typeof value === "object" && value !== null && "format" in value) {
    const { format } = value;
    if (typeof format === "number" && format > directoryFormat)
      throw new IDunnoError("WRONG_DIRECTORY", {
        directory,
        why: `its format ${format} is newer than this version reads (${directoryFormat}): use a newer idunno`,
      });
  }
  return parse(value);
}

/**
 * Reads the identity, or makes one up from the founders' list, to be kept with {@link keepIdentity} once the log is made. The cluster's id follows from that list, so that founders
 * who were given the same list agree on it without talking.
 * @throws IDunnoError WRONG_DIRECTORY when the directory belongs to another node or cluster
 */
export async function establishIdentity(
  directory: string,
  node: string,
  founders: readonly Founder[] | undefined,
  { files }: { readonly files: FileSystem },
): Promise<{ readonly identity: Identity; readonly isNew: boolean }> {
  const found = await readIdentity(directory, files);
  const cluster = founders === undefined ? undefined : clusterId(founders);
  if (found !== undefined) {
    if (found.node !== node)
      throw new IDunnoError("WRONG_DIRECTORY", {
        directory,
        why: `it belongs to node ${found.node}, not ${node}: give --name ${found.node} or another --data-dir`,
      });
    if (cluster !== undefined && cluster !== found.cluster)
      throw new IDunnoError("WRONG_DIRECTORY", {
        directory,
        why: "it belongs to a cluster founded with another --bootstrap list: leave --bootstrap out, or give another --data-dir",
      });
    return { identity: found, isNew: false };
  }
  if (founders === undefined || cluster === undefined)
    throw new IDunnoError("WRONG_DIRECTORY", {
      directory,
      why: "it is empty: give --join host:port of a running node, or --bootstrap name=host:port,… with all founding nodes",
    });
  const identity: Identity = {
    format: directoryFormat,
    cluster,
    generation: 1,
    node,
    incarnation: randomBytes(8).toString("hex"),
    founders: [...founders].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
  return { identity: parse(identity), isNew: true };
}

/** What a cluster says of itself to a node that is to join it. */
export interface JoinedCluster {
  readonly cluster: string;
  readonly generation: number;
  readonly founders: readonly Founder[];
  readonly members: readonly Founder[];
}

/**
 * A directory that was made for one cluster, by a founding that came to nothing perhaps, is not taken to another.
 * @throws IDunnoError WRONG_DIRECTORY
 */
export function checkSameCluster(
  directory: string,
  { cluster }: Pick<Identity, "cluster">,
  joined: Pick<JoinedCluster, "cluster">,
): void {
  if (joined.cluster !== cluster)
    throw new IDunnoError("WRONG_DIRECTORY", {
      directory,
      why: "it belongs to another cluster than the nodes of --join: leave --join out to go on in its own, or give another --data-dir",
    });
}

/** A new identity in a cluster that exists, to be kept with {@link keepIdentity} once the log is made. */
export function joinIdentity(node: string, joined: JoinedCluster): Identity {
  return parse({
    format: directoryFormat,
    cluster: joined.cluster,
    generation: joined.generation,
    node,
    incarnation: randomBytes(8).toString("hex"),
    founders: [...joined.founders],
    seeds: joined.members.filter(({ name }) => name !== node),
  });
}

/**
 * The identity of a survivor that rejoins a cluster which was recovered without it: the same node, with what its log
 * said forgotten. Its chunks stay.
 */
export function rejoinIdentity(identity: Identity, joined: JoinedCluster): Identity {
  const { founders, seeds } = joinIdentity(identity.node, joined);
  return parse({ ...identity, generation: joined.generation, founders, seeds });
}

/** The last step of making a data directory: from now on a log or a mark that is missing is damage. */
export async function keepIdentity(
  directory: string,
  identity: Identity,
  files: FileSystem,
): Promise<void> {
  const content = `${JSON.stringify(identity, undefined, 2)}\n`;
  await writeDurably({ directory, name: "identity.json" }, content, files);
}

function clusterId(founders: readonly Founder[]): string {
  const list = founders.map(({ name, host, port }) => `${name}=${host}:${port}`).sort();
  return createHash("sha256").update(list.join(",")).digest("hex").slice(0, 32);
}

/** Writes a file aside, syncs it, renames it and syncs the directory: it is there whole or not at all. */
export async function writeDurably(
  { directory, name }: { readonly directory: string; readonly name: string },
  content: string,
  files: FileSystem,
): Promise<void> {
  await files.mkdir(directory, { recursive: true });
  const aside = join(directory, `${name}.new`);
  const file = await files.open(aside, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(aside, join(directory, name));
  await syncDirectory(directory, files);
}

export async function syncDirectory(directory: string, files: FileSystem): Promise<void> {
  const handle = await files.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
