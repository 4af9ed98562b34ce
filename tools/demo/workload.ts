/** What both runs of the demo do: files and models in, jobs submitted, results out. Only through the public client. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { IDunnoClient } from "../../src/client/client.ts";
import { inParallel } from "../../src/cli/sdfs/parallel.ts";
import type { JobView } from "../../src/lib/api/jobs.ts";
import { ModelManifest } from "../../src/lib/model-manifest.ts";
import { parser } from "../../src/lib/schema.ts";

/** For a whole step, in ms: a busy machine loads a large model in tens of seconds. */
const stepMs = 120_000;
/** Inputs per query: small, so that there is much to hand out, lose and do again. */
const batchSize = 4;

/** The jobs of the demo: a small network and one about ten times as expensive. */
export const modelNames = ["inception_v3", "mobilenet_v2"] as const;

export interface Picture {
  readonly local: string;
  /** Where it goes in SDFS. */
  readonly path: string;
}

export function clientOf(nodes: readonly string[]): IDunnoClient {
  return new IDunnoClient({ nodes, timeoutMs: stepMs });
}

/** A client of one node, which answers from its own state without asking the leader. */
export function localClientOf(node: string): IDunnoClient {
  return new IDunnoClient({ nodes: [node], timeoutMs: stepMs, stale: true });
}

/** Uploads the pictures; returns their bytes in all. */
export async function uploadPictures(
  client: IDunnoClient,
  pictures: readonly Picture[],
  signal: AbortSignal,
): Promise<number> {
  const stored = await inParallel(pictures, signal, async ({ local, path }, each) =>
    client.putFile(path, { kind: "reopen", open: () => createReadStream(local) }, { signal: each }),
  );
  return stored.reduce((sum, { bytes }) => sum + bytes, 0);
}

export async function addModel(
  client: IDunnoClient,
  name: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const text = await readFile(join(folder, `${name}.json`), "utf8");
  const manifest = parser(ModelManifest, `${name}.json`)(JSON.parse(text));
  const { path, version } = await client.putFile(
    `models/${name}/model.onnx`,
    { kind: "reopen", open: () => createReadStream(join(folder, `${name}.onnx`)) },
    { signal },
  );
  await client.addModel({ manifest, file: { path, version } }, { signal });
}

export async function submit(
  client: IDunnoClient,
  model: string,
  signal: AbortSignal,
): Promise<JobView> {
  return client.submitJob({ model, name: model, inputs: ["photos/"], batchSize }, { signal });
}

/** A job's results file, as it lies in SDFS. */
export async function resultsFile(
  client: IDunnoClient,
  job: JobView,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly lines: readonly string[] }> {
  if (job.results === undefined) throw new Error(`${job.id} is ${job.state}, it has no results`);
  const { body } = await client.getFile(job.results.path, { signal });
  const hash = createHash("sha256");
  const pieces: Uint8Array[] = [];
  for await (const piece of body) {
    hash.update(piece);
    pieces.push(piece);
  }
  const text = Buffer.concat(pieces).toString("utf8");
  return { sha256: hash.digest("hex"), lines: text.split("\n").slice(0, -1) };
}
