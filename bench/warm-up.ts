/**
 * Brings a cluster's daemons to where they are after an hour of work. V8 compiles what runs often, and what a daemon does for a
 * query has to run for some thousands of them until it has done so; a job of heavy inputs has a hundred. So a job of cheap
 * ones runs before, one to a query.
 */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeModels } from "../tools/models/models.ts";
import { makeTextImages } from "../tools/photos/text-images.ts";
import type { BenchCluster } from "./cluster.ts";
import { runJob } from "./run-job.ts";

const modelName = "text_orientation";
const queries = { full: 2_000, quick: 100 } as const;
/** The job runs so often. */
const times = { full: 3, quick: 1 } as const;
const everyMs = 1_000;

const build = fileURLToPath(new URL("../../build/", import.meta.url));

/** @throws IDunnoError JOB_FAILED, TIMED_OUT */
export async function warmUp(
  cluster: BenchCluster,
  { pace, signal }: { readonly pace: "full" | "quick"; readonly signal: AbortSignal },
): Promise<void> {
  const models = await makeModels(join(build, "models"), { only: [modelName] });
  const images = await makeTextImages(join(build, `bench-text-warm-${pace}`), queries[pace]);
  await cluster.putSmallFiles(
    images.map(({ file }) => ({ path: `warm-up/${basename(file)}`, local: file })),
  );
  for (const model of models) await cluster.addModel(model);
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  const job = { model: modelName, inputs: ["warm-up/"], batchSize: 1 };
  for (let i = 0; i < times[pace]; i += 1) await runJob(client, job, { everyMs, signal });
}
