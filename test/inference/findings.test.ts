/** What was measured of a model is kept, and nothing but that is believed. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import { findingPath, keepFinding, readFinding } from "../../src/inference/findings.ts";
import { MicroBatch, RUNS_PER_SIZE } from "../../src/inference/micro-batch.ts";
import { Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";

const directory = await mkdtemp(join(tmpdir(), "idunno-findings-"));
test.after.always(() => rm(directory, { recursive: true, force: true }));

const of = { path: join(directory, "m.onnx"), network: "n", runtime: "1.30.0", cpu: "Cray-1" };

test("a finding is read again by the same network, onnxruntime and CPU, and by no other", (t) => {
  t.is(readFinding(of), undefined);
  keepFinding(of, 4);
  t.is(readFinding(of), 4);
  keepFinding(of, 2);
  t.is(readFinding({ ...of }), 2);
  for (const other of [{ network: "o" }, { runtime: "1.31.0" }, { cpu: "Cray-2" }])
    t.is(readFinding({ ...of, ...other }), undefined);
});

test("a finding that is damaged, foreign or absurd is none", async (t) => {
  const mine = { ...of, path: join(directory, "damaged.onnx") };
  keepFinding(mine, 8);
  const path = findingPath(mine);
  const text = await readFile(path, "utf8");
  for (const bad of [
    "",
    text.slice(0, -1),
    text.replace("Cray-1", "Cray-2"),
    text.replace(":8", ":3"),
    text.replace(":8", ":16"),
    text.replace(":8", ":0"),
    text.replace('"format":1', '"format":2'),
    "[]",
  ]) {
    await writeFile(path, bad);
    t.is(readFinding(mine), undefined, bad);
  }
  await writeFile(path, text);
  t.is(readFinding(mine), 8);
});

test("what is adopted is used without a trial and not found again", (t) => {
  const micro = new MicroBatch();
  let found: number | undefined;
  micro.onFound = (size) => (found = size);
  micro.adopt(4);
  t.is(micro.size, 4);
  t.false(micro.isTrial(4));
  t.true(micro.isTrial(8));
  for (let i = 0; i < 20; i += 1) micro.ran(micro.size, 1);
  t.is(micro.size, 4);
  t.is(found, undefined);
});

test("what one has found itself, or its network cannot take, is not adopted", (t) => {
  const small = new MicroBatch(1);
  small.adopt(8);
  t.is(small.size, 1);
  const settled = new MicroBatch();
  let found: number | undefined;
  settled.onFound = (size) => (found = size);
  for (let i = 0; i < RUNS_PER_SIZE; i += 1) settled.ran(1, 100);
  t.is(found, 1);
  settled.adopt(8);
  t.is(settled.size, 1);
});

test("an executor leaves its finding beside the model", async (t) => {
  await using folder = await Folder.make();
  const model = await writeModel(folder.path, encodeModel());
  const input = await folder.input(await plain(100));
  await using executor = await Executor.start({ slots: 2 });
  const inputs = Array.from({ length: 200 }, () => input);
  let kept: string[] = [];
  // How many inputs a thread gets of a query, and in how many pieces, depends on the machine: so does how many it takes.
  for (let query = 0; kept.length === 0; query += 1) {
    const result = await executor.run({ id: `a/${query}/1`, model, inputs, timeoutMs: 600_000 });
    t.is(result.kind, "done");
    kept = (await readdir(folder.path)).filter((name) => name.endsWith(".micro-batch.json"));
  }
  t.is(kept.length, 1);
  t.regex(await readFile(join(folder.path, kept[0]!), "utf8"), /"microBatch":[1248]\}$/);
});
