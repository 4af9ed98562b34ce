/** The life of a model in a real cluster: loaded on every node, let go, used all the same, removed under a running job. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import type { DevCluster } from "../../src/cli/dev/cluster.ts";
import type { IDunnoClient } from "../../src/client/client.ts";
import type { ModelView } from "../../src/lib/api/cluster.ts";
import type { JobView, SubmitJobBody } from "../../src/lib/api/jobs.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { makeModels } from "../../tools/models/models.ts";
import { clientOf, cluster, idunno, jobDone, resultsOf, until, uploadPhotos } from "./support.ts";

const folder = "build/models";
const name = "mobilenet_v2";

/** What each node has of the model. */
async function states(client: IDunnoClient): Promise<string> {
  const { nodes = [] } = await client.model(name, { loaded: true });
  return nodes.map(({ node, state }) => `${node} ${state}`).join(", ");
}

/** The files of models on every node's disk. */
async function stored(up: DevCluster): Promise<string[]> {
  const lists = await Promise.all(
    up.nodes.map(async ({ name: node }) => {
      const files = await readdir(join(up.directory, node, "data", "models"));
      return files.map((file) => `${node}/${file}`);
    }),
  );
  return lists.flat();
}

/** A job that is under way and goes no further. One that ended before it was paused is of no use: the next is submitted. */
async function pausedJob(client: IDunnoClient, body: SubmitJobBody): Promise<JobView> {
  for (;;) {
    const { id } = await client.submitJob(body);
    try {
      return await client.setJob(id, { state: "paused" });
    } catch (error) {
      if (!hasCode(error, "CONFLICT")) throw error;
    }
  }
}

test("a model is loaded everywhere, let go, used all the same, and removed under a running job", async (t) => {
  t.timeout(240_000);
  await makeModels(folder, { only: [name] });
  const up = await cluster(t, 3);
  const client = clientOf(up.endpoints);
  const follower = up.nodes[2]?.httpAddress ?? "";
  const ran = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await idunno(args, follower);
    t.is(code, 0, `${args.join(" ")}: ${err}`);
    return out;
  };
  // More one-photo queries than three slots are given ahead: when such a job is paused, some are left.
  const photos = await uploadPhotos(client, 240);
  const added = await ran("model", "add", name, join(folder, `${name}.onnx`), "-o", "json");
  t.deepEqual(
    (JSON.parse(added) as ModelView).nodes?.map(({ node, state }) => `${node} ${state}`),
    ["n1 loaded", "n2 loaded", "n3 loaded"],
  );
  t.regex(await ran("model", "ls"), /mobilenet_v2 +1 +3\/3 /);
  t.is((await stored(up)).filter((file) => file.endsWith(".onnx")).length, 3);

  await ran("model", "unload", name);
  const unloaded = "n1 unloaded, n2 unloaded, n3 unloaded";
  await until("unloading", async () => (await states(client)) === unloaded);
  const body = { model: name, inputs: ["photos/"], batchSize: 1 };
  const used = await jobDone(client, (await client.submitJob(body)).id);
  t.is(used.doneInputs, photos.length);
  t.is(used.errorInputs, 0);
  await until("unloading after the job", async () => (await states(client)) === unloaded);
  await ran("model", "load", name);
  t.is(await states(client), "n1 loaded, n2 loaded, n3 loaded");

  await ran("model", "alias", "prod", `${name}@1`);
  const refused = await idunno(["model", "rm", name], follower);
  t.is(refused.code, 5);
  t.regex(refused.err, /prod would stand for nothing/);
  const { id } = await pausedJob(client, { ...body, model: "prod" });
  await ran("model", "unalias", "prod");
  t.regex(await ran("model", "rm", name), /removed: +mobilenet_v2\n/);
  t.is((await idunno(["job", "submit", "--model", name, "--input", "photos/"], follower)).code, 4);
  await client.setJob(id, { state: "running" });
  const job = await jobDone(client, id);
  t.is(job.model, name);
  t.is(await resultsOf(client, job), await resultsOf(client, used), "the same bytes as before");
  await until("the end of its files", async () => (await stored(up)).length === 0);

  const again = await ran("model", "add", name, join(folder, `${name}.onnx`), "-o", "json");
  t.is((JSON.parse(again) as ModelView).version, 2, "numbers go on");
});
