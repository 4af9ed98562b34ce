/** Retrying jobs over HTTP: which inputs a retry has, in which versions, under which model, and why there may be none. */
import test from "ava";
import type { JobView } from "../../../src/lib/api/jobs.ts";
import { FileVersion, JobId } from "../../../src/lib/types.ts";
import { resultLine } from "../../../src/scheduler/results.ts";
import type { PackedOutput } from "../../../src/scheduler/types.ts";
import {
  assign,
  chunk,
  completion,
  manifest,
  submission,
  upload,
  work,
} from "../../machine/fixtures.ts";
import { HttpNode } from "./http-node.ts";

const good: PackedOutput = [1, 900_000];
const bad: PackedOutput = "unreadable";

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** A job over `a/0` … with two inputs a query, and what became of each query; undefined: it has no result. */
async function ended(
  node: HttpNode,
  queries: readonly (readonly PackedOutput[] | undefined)[],
  more: Record<string, unknown> = {},
): Promise<JobId> {
  const total = queries.length * 2;
  for (let n = 0; n < total; n += 1) await node.put(`a/${n}`, `input ${n}`);
  const body = { model: "tiny", inputs: ["a/"], batchSize: 2, ...more };
  const { id } = await node.json<JobView>("POST", "/v1/jobs", body);
  const job = JobId(id);
  const { replica } = node;
  for (const [number, outputs] of queries.entries()) {
    replica.must(work([], [assign(job, 1)]));
    if (outputs !== undefined) replica.must(work([completion(job, number, outputs)], []));
  }
  if (queries.includes(undefined)) {
    replica.must({ kind: "steer-job", job, to: "cancelled" });
    return job;
  }
  const lines = queries
    .flatMap((outputs) => outputs ?? [])
    .map((output, n) => `${resultLine(`a/${n}`, output, manifest.labels)}\n`);
  const path = `jobs/${id}/results.ndjson`;
  const { signal } = new AbortController();
  const pieces = node.cut(once(lines.join("")));
  const results = await node.files.upload(path, pieces, signal);
  replica.must({ kind: "finish-job", job, results: { ...results, ifVersion: undefined } });
  return job;
}

/** What a job's list names, as path@version. */
async function listOf(node: HttpNode, id: string): Promise<string[]> {
  const job = node.replica.machine.jobs.get(JobId(id));
  if (job === undefined) throw new Error(`no ${id}`);
  const all = { from: 0, count: job.totalInputs };
  const inputs = await node.inputs.range(job.manifest, all, new AbortController().signal);
  return inputs.map(({ path, version }) => `${path}@${version}`);
}

const retry = async (node: HttpNode, id: string, body: unknown = {}) =>
  node.json<JobView>("POST", `/v1/jobs/${id}/retry`, body);
const why = async (node: HttpNode, id: string, body: unknown = {}) => {
  const { status, body: text } = await node.ask("POST", `/v1/jobs/${id}/retry`, { body });
  return `${status} ${text}`;
};

test("of a job that is done, the inputs that ended in an error are tried again, in the versions that it had", async (t) => {
  await using node = await HttpNode.start();
  const settings = { weight: 3, maxErrors: 5, priority: -2, name: "first" };
  const queries = [
    [good, bad],
    [good, good],
    [bad, bad],
  ];
  const id = await ended(node, queries, settings);
  await node.put("a/1", "newer");
  await node.put("a/9", "later");
  const made = await retry(node, id);
  const { maxErrors, ...shown } = settings;
  t.like(made, { ...shown, retryOf: id, totalInputs: 3, state: "running", batchSize: 2 });
  t.is(node.replica.machine.jobs.get(JobId(made.id))?.maxErrors, maxErrors);
  t.not(made.id, id);
  t.deepEqual(await listOf(node, made.id), ["a/1@1", "a/4@1", "a/5@1"]);
  const changed = await retry(node, id, { batchSize: 1, priority: 4, name: "second", weight: 1 });
  t.like(changed, { batchSize: 1, priority: 4, name: "second", weight: 1 });
});

test("of a job that was broken off, what was never done is tried again beside the errors", async (t) => {
  await using node = await HttpNode.start();
  const id = await ended(node, [undefined, [bad, good], undefined, [good, good], [good, bad]]);
  // Two were never handed out.
  const { id: made } = await retry(node, id);
  t.deepEqual(await listOf(node, made), ["a/0@1", "a/1@1", "a/2@1", "a/4@1", "a/5@1", "a/9@1"]);
});

test("of a query that was split, the half without a result is tried again, and what failed in the other", async (t) => {
  await using node = await HttpNode.start();
  for (let n = 0; n < 8; n += 1) await node.put(`a/${n}`, `input ${n}`);
  const body = { model: "tiny", inputs: ["a/"], batchSize: 4 };
  const { id } = await node.json<JobView>("POST", "/v1/jobs", body);
  const job = JobId(id);
  const { replica } = node;
  replica.must(work([], [assign(job, 1), assign(job, 1)]));
  replica.must(work([{ ...completion(job, 0, []), failed: "killed" }], []));
  // Numbers 2 and 3 are its halves.
  replica.must(work([completion(job, 1, [good, good, good, bad])], [assign(job, 1, 2)]));
  replica.must(work([completion(job, 2, [bad, good])], []));
  replica.must({ kind: "steer-job", job, to: "cancelled" });
  const { id: made } = await retry(node, id);
  t.deepEqual(await listOf(node, made), ["a/0@1", "a/2@1", "a/3@1", "a/7@1"]);
});

test("a retry repeated under its key is one job", async (t) => {
  await using node = await HttpNode.start();
  const id = await ended(node, [[good, bad]]);
  const { key } = await node.json<{ readonly key: string }>("POST", "/v1/keys");
  const path = `/v1/jobs/${id}/retry`;
  const [first, second] = [
    await node.ask("POST", path, { body: {}, key }),
    await node.ask("POST", path, { body: {}, key }),
  ];
  t.is(first.status, 200);
  t.is((JSON.parse(second.body) as JobView).id, (JSON.parse(first.body) as JobView).id);
  t.is(node.replica.machine.jobs.size, 2);
  t.regex((await node.ask("POST", path, { body: { weight: 2 }, key })).body, /KEY_REUSED/);
});

test("what cannot be retried is refused with its reason, and no job is made", async (t) => {
  await using node = await HttpNode.start();
  t.regex(await why(node, "j999"), /^404 .*NOT_FOUND/);
  const done = await ended(node, [[good, good]]);
  t.regex(await why(node, done), /^409 .*every input of it has a result/);
  const id = await ended(node, [[good, bad]]);
  await node.ask("DELETE", "/v1/files/a/1?purge=true");
  t.regex(await why(node, id), /^404 .*a\/1@2/);
  await node.put("a/1", "another content");
  t.regex(await why(node, id), /^404 .*a\/1@2/);
  t.regex(await why(node, id, { batchSize: 0 }), /^400 /);
  t.regex(await why(node, id, { inputs: ["a/"] }), /^400 /);
  const { id: running } = await node.json<JobView>("POST", "/v1/jobs", {
    model: "tiny",
    inputs: ["a/"],
  });
  t.regex(await why(node, running), /^409 .*it is running/);
  const catalogIndex = node.replica.index;
  const { outcome } = node.replica.apply(submission({ catalogIndex, retryOf: JobId(running) }));
  t.is(outcome.kind === "refused" ? outcome.code : "ok", "CONFLICT", "apply looks for itself");
  t.is(node.replica.machine.jobs.size, 3);
});

test("a retry has the very model of its job, unless one is given, whatever has become of its file", async (t) => {
  await using node = await HttpNode.start();
  const { replica } = node;
  const id = await ended(node, [[good, bad]]);
  replica.must(upload("models/tiny.onnx", [chunk(7, [1], replica.index)]));
  const file = { path: "models/tiny.onnx", version: FileVersion(2) };
  replica.must({ kind: "add-model", manifest: { ...manifest, topK: 1 }, file });
  t.is((await retry(node, id)).modelVersion, 1);
  t.is((await retry(node, id, { model: "tiny" })).modelVersion, 2);
  t.is((await retry(node, id, { model: "tiny@1" })).modelVersion, 1);
  t.regex(await why(node, id, { model: "none" }), /^404 .*none/);
  t.regex(await why(node, id, { model: "tiny@3" }), /^404 .*tiny@3; there are versions 1 and 2/);
  t.regex(await why(node, id, { model: "tiny@0" }), /^422 .*versions begin at 1/);
  replica.must({ kind: "remove-file", path: "models/tiny.onnx" });
  t.is((await retry(node, id)).modelVersion, 1, "pinned by the model itself");
});

test("a list of more than one segment is made bit by bit, and is whole", async (t) => {
  await using node = await HttpNode.start();
  const { replica } = node;
  const total = 4_100;
  const paths = Array.from({ length: total }, (_, n) => `b/${String(n).padStart(4, "0")}`);
  for (let from = 0; from < total; from += 820)
    replica.must({
      kind: "commit-files",
      files: paths.slice(from, from + 820).map((path, n) => ({
        path,
        bytes: 10,
        chunks: [chunk(1_000 + from + n, [1], replica.index)],
        ifVersion: undefined,
      })),
    });
  const body = { model: "tiny", inputs: ["b/"] };
  const { id } = await node.json<JobView>("POST", "/v1/jobs", body);
  replica.must({ kind: "steer-job", job: JobId(id), to: "cancelled" });
  const made = await retry(node, id);
  t.is(made.totalInputs, total);
  t.is(replica.machine.jobs.get(JobId(made.id))?.manifest.chunks.length, 3);
  t.deepEqual(
    await listOf(node, made.id),
    paths.map((path) => `${path}@1`),
  );
  // A list that differs in its last segment only is another one, though it is as long.
  const newer = chunk(9_999, [1], replica.index);
  replica.must(upload(paths.at(-1) ?? "", [newer]));
  const { id: later } = await node.json<JobView>("POST", "/v1/jobs", body);
  t.is((await listOf(node, later)).at(-1), `${paths.at(-1)}@2`);
});
