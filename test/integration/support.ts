/** Real clusters for tests: real processes, real TCP, real kill -9; everything gone afterwards. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { IDunnoClient } from "../../src/client/client.ts";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import { inParallel } from "../../src/cli/sdfs/parallel.ts";
import type { FileView } from "../../src/lib/api/files.ts";
import type { JobView } from "../../src/lib/api/jobs.ts";
import { ModelManifest } from "../../src/lib/model-manifest.ts";
import { parser } from "../../src/lib/schema.ts";
import { makeModels } from "../../tools/models/models.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import { until as untilSo } from "../until.ts";

export const idunnoMain = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** The real command line. */
export async function idunno(
  args: readonly string[],
  nodes = "",
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [idunnoMain, ...args], {
    env: { ...process.env, IDUNNO_NODE: nodes, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

const modelFolder = "build/models";
const photoFolder = "build/photos";
const never = new AbortController().signal;

/** A cluster that lives as long as the test. */
export async function cluster(t: ExecutionContext, nodes: number, slots = 1): Promise<DevCluster> {
  const up = await startCluster(nodes, slots);
  t.teardown(async () => {
    // What the daemons said is worth most when the test failed.
    if (!t.passed)
      for (const { name } of up.nodes) t.log(name, (await daemonLog(up, name)).slice(-3_000));
    await stopCluster(up);
  });
  return up;
}

export async function startCluster(nodes: number, slots: number): Promise<DevCluster> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-test-"));
  return DevCluster.up({ directory, nodes, slots, basePort: 0, readyMs: 90_000 });
}

export async function stopCluster(up: DevCluster): Promise<void> {
  await up.down({ stopMs: 2_000, wipe: true });
  await rm(up.directory, { recursive: true, force: true });
}

export async function daemonLog(up: DevCluster, name: string): Promise<string> {
  return readFile(join(up.directory, name, "daemon.log"), "utf8");
}

/** Stores a text as a file. */
export async function putText(client: IDunnoClient, path: string, text: string): Promise<FileView> {
  return client.putFile(path, { kind: "reopen", open: () => Readable.from([Buffer.from(text)]) });
}

export function clientOf(nodes: readonly string[], timeoutMs = 60_000): IDunnoClient {
  return new IDunnoClient({ nodes, timeoutMs });
}

/** Waits for a condition of the world outside. Each look is a request to daemons that share the machine, so there are few. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  await untilSo(what, condition, { withinMs, everyMs: 20 });
}

export async function uploadPhotos(client: IDunnoClient, count: number): Promise<string[]> {
  const photos = (await makePhotos(photoFolder, 240)).slice(0, count);
  await inParallel(photos, never, async (file) =>
    client.putFile(`photos/${basename(file)}`, {
      kind: "reopen",
      open: () => createReadStream(file),
    }),
  );
  return photos.map((file) => `photos/${basename(file)}`);
}

export async function addModel(client: IDunnoClient, name: string): Promise<void> {
  await makeModels(modelFolder, { only: [name] });
  const text = await readFile(join(modelFolder, `${name}.json`), "utf8");
  const manifest = parser(ModelManifest, name)(JSON.parse(text));
  const open = () => createReadStream(join(modelFolder, `${name}.onnx`));
  const file = await client.putFile(`models/${name}/model.onnx`, { kind: "reopen", open });
  await client.addModel({ manifest, file: { path: file.path, version: file.version } });
}

export async function jobDone(client: IDunnoClient, id: string): Promise<JobView> {
  let job = await client.job(id);
  await until(
    `the end of ${id}`,
    async () => {
      job = await client.job(id);
      return job.state !== "running";
    },
    120_000,
  );
  return job;
}

/** The bytes of a job's results file. */
export async function resultsOf(client: IDunnoClient, job: JobView): Promise<string> {
  return download(client, job.results?.path ?? "there are no results");
}

export async function download(client: IDunnoClient, path: string): Promise<string> {
  const { body } = await client.getFile(path);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

export function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}
