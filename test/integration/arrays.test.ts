/** Arrays in and arrays out on real processes: added by the command line, exactly once whoever dies, and opened by Python. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test from "ava";
import type { IDunnoClient } from "../../src/client/client.ts";
import { inParallel } from "../../src/cli/sdfs/parallel.ts";
import { npzOf } from "../../src/inference/npz.ts";
import { encodeArrayModel } from "../inference/array-models.ts";
import { readNumpy, readZip } from "../inference/numpy-files.ts";
import {
  clientOf,
  cluster,
  download,
  idunno,
  jobDone,
  resultsOf,
  sha256,
  until,
} from "./support.ts";

const inputs = 80;
const broken = 17;

/** Input `i`, of which everything follows: a is [i, i / 7, -i], b is [i, 2i]. */
function inputOf(i: number): Uint8Array {
  if (i % 40 === broken) return Buffer.from("no array");
  const a = new Uint8Array(Float32Array.of(i, i / 7, -i).buffer);
  const b = new Uint8Array(BigInt64Array.of(BigInt(i), BigInt(2 * i)).buffer);
  return Buffer.concat(
    npzOf([
      { name: "a", type: "float32", shape: [3], data: a },
      { name: "b", type: "int64", shape: [2], data: b },
    ]),
  );
}

interface Line {
  readonly input: string;
  readonly error?: string;
  readonly tensors?: { readonly file: string; readonly row: number };
}

/** The lines of a job, and the bytes of the files that they name. */
async function gathered(client: IDunnoClient, id: string) {
  const job = await jobDone(client, id);
  const text = await resultsOf(client, job);
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const names = [...new Set(lines.flatMap(({ tensors }) => tensors?.file ?? []))];
  const files = new Map<string, string>();
  await inParallel(names, new AbortController().signal, async (name) => {
    files.set(name, await download(client, name));
  });
  return {
    state: job.state,
    errors: job.errorInputs,
    text: text.replaceAll(id, "JOB"),
    lines,
    files,
  };
}

test("a node is killed in the middle of a job: the arrays are the same bytes, each once", async (t) => {
  t.timeout(240_000);
  const scratch = await mkdtemp(join(tmpdir(), "idunno-arrays-"));
  t.teardown(async () => rm(scratch, { recursive: true, force: true }));
  const five = await cluster(t, 5);
  const client = clientOf(five.endpoints);
  const numbers = Array.from({ length: inputs }, (_, i) => i);
  await inParallel(numbers, new AbortController().signal, async (i) =>
    client.putFile(`in/${String(i).padStart(4, "0")}.npz`, {
      kind: "reopen",
      open: () => Readable.from([inputOf(i)]),
    }),
  );
  const onnx = join(scratch, "net.onnx");
  await writeFile(onnx, encodeArrayModel());
  const run = async (...args: string[]) => idunno(args, five.endpoints.join());
  const kept = ["--output-name", "doubled", "--output-name", "negative"];
  const flags = ["--task", "tensors", "--input-kind", "tensor", ...kept];
  const added = await run("model", "add", "arrays", onnx, ...flags);
  t.is(added.code, 0, added.err);

  const job = { model: "arrays", inputs: ["in/"], batchSize: 2 };
  const calm = await gathered(client, (await client.submitJob(job)).id);
  t.is(calm.state, "done");
  t.is(calm.errors, inputs / 40);

  const { id } = await client.submitJob(job);
  await until("some of the job", async () => (await client.job(id)).doneInputs >= inputs / 10);
  const { leader = "" } = await client.status();
  await five.kill(leader, "SIGKILL");
  const disturbed = await gathered(client, id);
  t.is(sha256(disturbed.text), sha256(calm.text));
  t.is(disturbed.files.size, inputs / 2);
  for (const [name, bytes] of calm.files) {
    const other = name.replace(/j\d+/, id);
    t.is(sha256(disturbed.files.get(other) ?? ""), sha256(bytes), name);
    const versions = await client.versions(other);
    t.is(versions.length, 1, `${other} was made once`);
  }
  for (const [i, { error, tensors }] of disturbed.lines.entries()) {
    if (i % 40 === broken) {
      t.is(error, "not_an_array");
      continue;
    }
    const file = Buffer.from(disturbed.files.get(tensors?.file ?? "") ?? "", "latin1");
    const found = new Map(readZip(file).map(({ name, bytes }) => [name, readNumpy(bytes)]));
    const row = tensors?.row ?? -1;
    t.is(found.get("input_index.npy")?.values[row], i);
    t.deepEqual(
      found.get("doubled.npy")?.values.slice(3 * row, 3 * row + 3),
      [i, i / 7, -i].map((v) => 2 * Math.fround(v)),
    );
    t.deepEqual(found.get("negative.npy")?.values.slice(2 * row, 2 * row + 2), [0 - i, 0 - 2 * i]);
  }

  const [name = ""] = calm.files.keys();
  const got = join(scratch, "got.npz");
  t.is((await run("sdfs", "get", name, got)).code, 0);
  t.is((await readFile(got)).toString("latin1"), calm.files.get(name) ?? "");
  const script =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))";
  const python = spawnSync("python3", ["-c", script, got]);
  if (python.error === undefined) t.is(python.stdout.toString().trim(), "3");
  else t.log("there is no Python here");
});
