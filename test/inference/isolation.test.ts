/** Suspects, each in a process of its own, beside an executor that does not notice. */
import { rm } from "node:fs/promises";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import type { InputFile } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
const noLimitMs = 60_000;
const hanging = await writeModel(folder.path, encodeModel({ behaviour: "hangs-on-white" }));
const white = await folder.input(await plain(255));
const black = await folder.input(await plain(0));

test.after.always(() => folder[Symbol.asyncDispose]());

const request = (id: string, inputs: readonly InputFile[], timeoutMs = noLimitMs) => ({
  id,
  model: hanging,
  inputs,
  timeoutMs,
});
const errorOf = async (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a suspect's outputs are those that the executor would give", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const alone = await executor.runAlone(request("alone", [black, black]));
  const beside = await executor.run(request("beside", [black, black]));
  t.true(alone.kind === "done" && beside.kind === "done");
  if (alone.kind === "done" && beside.kind === "done") t.deepEqual(alone.outputs, beside.outputs);
});

test("one that hangs is killed for its time-out, and the executor does not notice", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  await executor.load(hanging);
  const { pid } = executor;
  const failure = await errorOf(executor.runAlone(request("stuck", [white], 300)));
  t.true(hasCode(failure, "EXECUTOR_FAILED") && failure.details.during === "timeout");
  t.is((await executor.run(request("next", [black]))).kind, "done");
  t.is(executor.pid, pid);
});

if (process.arch === "x64")
  test("one that ends its process is told from one that hangs", async (t) => {
    await using executor = await Executor.start({ slots: 1 });
    const aborting = await writeModel(folder.path, encodeModel({ behaviour: "aborts-on-white" }));
    const alone = { ...request("killer", [black, white]), model: aborting };
    const failure = await errorOf(executor.runAlone(alone));
    t.true(hasCode(failure, "EXECUTOR_FAILED") && failure.details.during === "query");
    t.regex(String(failure), /SIGFPE/);
  });

test("suspects run one after the other; those that are cancelled end, whether they wait or run", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const stuck = errorOf(executor.runAlone(request("stuck", [white])));
  const waiting = errorOf(executor.runAlone(request("waiting", [black])));
  const third = executor.runAlone(request("third", [black]));
  executor.cancel("waiting");
  executor.cancel("stuck");
  t.true(hasCode(await stuck, "CLOSED"));
  t.true(hasCode(await waiting, "CLOSED"));
  t.is((await third).kind, "done");
});

test("the same query is not run twice at once", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const first = executor.runAlone(request("one", [black]));
  t.true(hasCode(await errorOf(executor.runAlone(request("one", [black]))), "CONFLICT"));
  t.is((await first).kind, "done");
});

test("closing the executor ends a suspect", async (t) => {
  const executor = await Executor.start({ slots: 1 });
  const stuck = errorOf(executor.runAlone(request("stuck", [white])));
  await executor.close();
  t.true(hasCode(await stuck, "CLOSED"));
});

test("a model that is gone is BAD_MODEL, not the query's failure", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const gone = await writeModel(folder.path, encodeModel({ behaviour: "infinite-on-white" }));
  await rm(gone.path);
  const failure = await errorOf(executor.runAlone({ ...request("one", [black]), model: gone }));
  t.true(hasCode(failure, "BAD_MODEL"));
});
