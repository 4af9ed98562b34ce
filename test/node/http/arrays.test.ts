/** Results of a model that gives arrays: which row of which file is whose. */
import test from "ava";
import type { JobView } from "../../../src/lib/api/jobs.ts";
import { FileVersion, JobId } from "../../../src/lib/types.ts";
import type { PackedOutput } from "../../../src/scheduler/types.ts";
import { arrayManifest, assign, chunk, completion, work } from "../../machine/fixtures.ts";
import { HttpNode } from "./http-node.ts";

const row: PackedOutput = [];

test("lines name the row of their query's file, counted over the inputs that have one", async (t) => {
  await using node = await HttpNode.start();
  const { replica } = node;
  replica.must({
    kind: "add-model",
    manifest: arrayManifest,
    file: { path: "models/tiny.onnx", version: FileVersion(1) },
  });
  for (let n = 0; n < 7; n += 1) await node.put(`a/${n}`, `input ${n}`);
  const body = { model: "arrays", inputs: ["a/"], batchSize: 4 };
  const { id } = await node.json<JobView>("POST", "/v1/jobs", body);
  const job = JobId(id);
  const tensors = { bytes: 10, chunks: [chunk(7, [1])] };
  replica.must(work([], [assign(job, 1), assign(job, 1)]));
  replica.must(work([{ ...completion(job, 0, []), failed: "killed" }], []));
  replica.must(work([], [assign(job, 1, 2), assign(job, 1, 3)]));
  replica.must(
    work(
      [
        completion(job, 2, ["not_an_array", row], { tensors }),
        completion(job, 3, [row, row], { tensors }),
        completion(job, 1, [row, "missing", row], { tensors }),
      ],
      [],
    ),
  );
  const { body: lines } = await node.ask("GET", `/v1/jobs/${id}/results`);
  const file = (from: number): string => `jobs/${id}/tensors/000000000${from}.npz`;
  t.deepEqual(
    lines
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line)),
    [
      {
        input: "a/0",
        error: "not_an_array",
        message: "the file is not a .npy or .npz file that can be read",
      },
      { input: "a/1", tensors: { file: file(0), row: 0 } },
      { input: "a/2", tensors: { file: file(2), row: 0 } },
      { input: "a/3", tensors: { file: file(2), row: 1 } },
      { input: "a/4", tensors: { file: file(4), row: 0 } },
      {
        input: "a/5",
        error: "missing",
        message: "the file's content could not be read from any replica",
      },
      { input: "a/6", tensors: { file: file(4), row: 1 } },
    ],
  );
  // What a job without classes failed at can be tried again.
  replica.must({ kind: "steer-job", job, to: "cancelled" });
  const retry = await node.json<JobView>("POST", `/v1/jobs/${id}/retry`, {});
  t.is(retry.totalInputs, 2);
});

test("without a batch size a query has as many inputs as its arrays allow", async (t) => {
  await using node = await HttpNode.start();
  node.replica.must({
    kind: "add-model",
    manifest: { ...arrayManifest, outputs: [{ name: "o", type: "float64", shape: [3 * 2 ** 20] }] },
    file: { path: "models/tiny.onnx", version: FileVersion(1) },
  });
  await node.put("a", "input");
  const body = { model: "arrays", inputs: ["a"] };
  t.is((await node.json<JobView>("POST", "/v1/jobs", body)).batchSize, 2);
  const refused = await node.ask("POST", "/v1/jobs", { body: { ...body, batchSize: 3 } });
  t.is(refused.status, 422);
  t.regex(refused.body, /give 1 to 2/);
});
