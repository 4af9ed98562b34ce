/** Networks that pass every check and then end the process that runs them, or never end: what they cost whom. */
import { basename } from "node:path";
import { Readable } from "node:stream";
import test, { type ExecutionContext } from "ava";
import type { IDunnoClient } from "../../src/client/client.ts";
import type { DevCluster } from "../../src/cli/dev/cluster.ts";
import { inputErrors, type InputErrorCode } from "../../src/scheduler/results.ts";
import { plain } from "../inference/input-files.ts";
import { type Behaviour, encodeModel, manifestOf } from "../inference/onnx-models.ts";
import {
  addModel,
  clientOf,
  daemonLog,
  jobDone,
  resultsOf,
  startCluster,
  stopCluster,
  uploadPhotos,
} from "./support.ts";

const photos = 80;
const healthy = { model: "mobilenet_v2", inputs: ["photos/"], batchSize: 4 };
let five: DevCluster;
let client: IDunnoClient;
/** Of the healthy job alone. */
let undisturbed = "";

test.before("a cluster and what it answers undisturbed", async (t) => {
  t.timeout(180_000);
  five = await startCluster(5, 1);
  client = clientOf(five.endpoints);
  await uploadPhotos(client, photos);
  await addModel(client, healthy.model);
  const { id } = await client.submitJob(healthy);
  undisturbed = await resultsOf(client, await jobDone(client, id));
});

test.after.always(async () => stopCluster(five));

async function put(path: string, bytes: Uint8Array): Promise<{ path: string; version: number }> {
  return client.putFile(path, { kind: "reopen", open: () => Readable.from([bytes]) });
}

/** Adding it runs it on zeros, which it bears. */
async function addBadModel(name: string, behaviour: Behaviour): Promise<void> {
  const bytes = encodeModel({ behaviour });
  const file = await put(`models/${name}.onnx`, bytes);
  const { path, version } = file;
  await client.addModel({ manifest: manifestOf(bytes, { name }), file: { path, version } });
}

/** Dark pictures, which the networks bear, and white ones, which they do not. */
async function putPictures(folder: string, dark: number, white: number): Promise<void> {
  for (let i = 0; i < dark; i += 1) await put(`${folder}/dark-${i}.png`, await plain(i));
  for (let i = 0; i < white; i += 1) await put(`${folder}/white-${i}.png`, await plain(255));
}

interface Line {
  readonly input: string;
  readonly error?: string;
  readonly message?: string;
}

/** Runs the bad job beside the healthy one, and holds every promise against what comes of it. */
async function beside(
  t: ExecutionContext,
  bad: { readonly model: string; readonly batchSize: number; readonly code: InputErrorCode },
): Promise<void> {
  const { model, batchSize } = bad;
  const before = await client.members();
  const { id: badId } = await client.submitJob({ model, batchSize, inputs: [`${model}/`] });
  const { id } = await client.submitJob(healthy);
  const job = await jobDone(client, id);
  t.is(job.state, "done");
  t.is(job.errorInputs, 0);
  t.is(await resultsOf(client, job), undisturbed, "the healthy job's results are the same bytes");

  const ended = await jobDone(client, badId);
  t.is(ended.state, "done");
  const lines = (await resultsOf(client, ended))
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  t.is(lines.length, ended.totalInputs);
  t.is(ended.errorInputs, lines.filter(({ input }) => basename(input).startsWith("white")).length);
  for (const { input, error, message } of lines) {
    const code = basename(input).startsWith("white") ? bad.code : undefined;
    t.deepEqual([error, message], [code, code && inputErrors[code]], input);
  }

  const after = await client.members();
  t.deepEqual(
    after.map(({ node, boot, state }) => [node, boot, state]),
    before.map(({ node, boot }) => [node, boot, "up"]),
    "no node went down",
  );
  let replaced = 0;
  for (const { name, httpAddress } of five.nodes) {
    const { executor } = await clientOf([httpAddress]).pinned().status();
    t.not(executor.pid, undefined, `${name} has an executor`);
    replaced += (await daemonLog(five, name)).split('"msg":"executor-down"').length - 1;
  }
  t.true(replaced > 0, "the network did what it is here for");
}

if (process.arch === "x64")
  test.serial("a network that ends its executor has one error record for each input", async (t) => {
    t.timeout(240_000);
    const model = "aborting";
    await addBadModel(model, "aborts-on-white");
    await putPictures(model, 0, 6);
    await beside(t, { model, batchSize: 2, code: "killed_executor" });
  });

test.serial(
  "a network that hangs on some inputs has an error record for each of them",
  async (t) => {
    t.timeout(240_000);
    const model = "hanging";
    await addBadModel(model, "hangs-on-white");
    // From the dark ones the job's time-out is learnt.
    await putPictures(model, 8, 2);
    await beside(t, { model, batchSize: 1, code: "timed_out" });
  },
);
