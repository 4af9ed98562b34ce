/** Copies as they are: what the catalog says, what lies on the disks, and what `fsck` makes of it. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DevCluster } from "../../../src/cli/dev/cluster.ts";
import { dataDirectory } from "../../../src/cli/dev/daemon.ts";
import { IDunnoClient } from "../../../src/client/client.ts";
import type { LocateView } from "../../../src/lib/api/files.ts";
import { hasCode } from "../../../src/lib/errors.ts";
import type { Random } from "../../../src/lib/random.ts";
import { idunno } from "../../integration/support.ts";

/** Of every chunk, as promised: its own number here, so that a store that makes fewer is found out. */
export const promisedCopies = 4;

export function chunkFile(cluster: DevCluster, node: string, hash: string): string {
  return join(dataDirectory(cluster.directory, node), "chunks", hash.slice(0, 1), hash);
}

/** Nodes on whose disk the chunk has its bytes. */
export async function goodCopies(cluster: DevCluster, hash: string): Promise<string[]> {
  const found = await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const bytes = await readIfThere(chunkFile(cluster, name, hash));
      const isGood =
        bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === hash;
      return isGood ? name : undefined;
    }),
  );
  return found.filter((name) => name !== undefined);
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Nodes on whose disk a file of that name lies: good enough at once after a put. */
export function holders(cluster: DevCluster, hash: string): string[] {
  return cluster.nodes
    .map(({ name }) => name)
    .filter((name) => existsSync(chunkFile(cluster, name, hash)));
}

/** Turns one bit of a chunk's file. @returns false when the file is not there */
export async function flipBit(file: string, random: Random): Promise<boolean> {
  if (!existsSync(file)) return false;
  const handle = await open(file, "r+");
  try {
    const { size } = await handle.stat();
    const offset = random.between(0, size - 1);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, offset);
    byte[0] = (byte[0] ?? 0) ^ (1 << random.between(0, 7));
    await handle.write(byte, 0, 1, offset);
    return true;
  } finally {
    await handle.close();
  }
}

export function clientVia(node: string, timeoutMs: number): IDunnoClient {
  return new IDunnoClient({ nodes: [node], timeoutMs });
}

/** Every version that is kept now. */
export async function locateAll(
  client: IDunnoClient,
  paths: readonly string[],
): Promise<LocateView[]> {
  const all: LocateView[] = [];
  for (const path of paths)
    try {
      for (const { version } of await client.versions(path))
        all.push(await client.locate(path, { version }));
    } catch (error) {
      // Removed, by a client that goes on meanwhile.
      if (!hasCode(error, "NOT_FOUND")) throw error;
    }
  return all;
}

/** Chunks with fewer than `copies` on nodes that are up, as the catalog says. */
export function lacking(files: readonly LocateView[], copies: number): string[] {
  return files.flatMap(({ path, version, chunks }) =>
    chunks
      .filter(({ replicas }) => replicas.filter(({ state }) => state === "up").length < copies)
      .map(({ hash, replicas }) => {
        const where = replicas.map(({ node, state }) => `${node} ${state}`).join(", ");
        return `${path}@${version} ${hash.slice(0, 8)} (${where})`;
      }),
  );
}

/**
 * What `idunno sdfs fsck` says of the whole store; where this build has no such command, the same is asked of
 * `GET /v1/locate` for each file.
 */
export async function fsck(
  cluster: DevCluster,
  { paths, copies }: { readonly paths: readonly string[]; readonly copies: number },
): Promise<{ readonly healthy: boolean; readonly said: string }> {
  const nodes = cluster.endpoints.join(",");
  const help = await idunno(["sdfs", "--help"]);
  if (/^ {2}fsck\b/m.test(help.out)) {
    const { code, out, err } = await idunno(["sdfs", "fsck"], nodes);
    return { healthy: code === 0 && out.includes("HEALTHY"), said: `${out}${err}`.trim() };
  }
  const client = new IDunnoClient({ nodes: cluster.endpoints, timeoutMs: 60_000 });
  const files = await locateAll(client, paths);
  const bad = lacking(files, copies);
  const count = files.reduce((sum, { chunks }) => sum + chunks.length, 0);
  const said = `no fsck in this build; locate: ${files.length} versions, ${count} chunks, ${bad.length} with fewer than ${copies} copies`;
  return { healthy: bad.length === 0, said: [said, ...bad].join("\n") };
}
