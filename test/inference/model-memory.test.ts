/** How many models stay loaded, and when the memory of the others is given back. */
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import { ModelTable } from "../../src/inference/model-table.ts";
import type { LocalModel, QueryResult } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";
import { until } from "../until.ts";

const folder = await Folder.make();
const models = await Promise.all(
  Array.from({ length: 6 }, (_, i) => writeModel(folder.path, encodeModel({ seed: 100 + i }))),
);
const [a, b, c, d, e] = models as [LocalModel, LocalModel, LocalModel, LocalModel, LocalModel];
/** Some milliseconds for a white image, which it takes one by one: a query of many outlasts the loading of other models. */
const slow = await writeModel(
  folder.path,
  encodeModel({ behaviour: "hangs-on-white", trips: 2_000n, batch: 1 }),
);
const grey = await folder.input(await plain(100));
const white = await folder.input(await plain(255));

test.after.always(() => folder[Symbol.asyncDispose]());

const run = (executor: Executor, id: string, model: LocalModel): Promise<QueryResult> =>
  executor.run({ id, model, inputs: [grey], timeoutMs: 600_000 });

const loadedOf = (executor: Executor): readonly LocalModel[] =>
  models.filter(({ sha256 }) => executor.isLoaded(sha256));

test("over the limit the model used longest ago goes, and an idle process is replaced", async (t) => {
  await using executor = await Executor.start({ slots: 1, loadedModels: 2 });
  await executor.load(a);
  await executor.load(b);
  const { pid } = executor;
  t.is((await run(executor, "1", a)).kind, "done");
  await executor.load(c);
  t.deepEqual(loadedOf(executor), [a, c], "a was used after b");
  await until("the next process", () => executor.pid !== pid);
  for (const [i, model] of [a, b, c, d].entries())
    t.is((await run(executor, `again ${i}`, model)).kind, "done");
  t.deepEqual(loadedOf(executor), [c, d]);
});

test("a busy process is not replaced until it holds twice the limit, and then loses nothing", async (t) => {
  await using executor = await Executor.start({ slots: 1, loadedModels: 2 });
  await executor.load(slow);
  const { pid } = executor;
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const many = Array.from({ length: 1000 }, () => white);
  const long = executor.run(
    { id: "long", model: slow, inputs: many, timeoutMs: 600_000 },
    { onProgress: begin },
  );
  let isOver = false;
  const end = long.finally(() => (isOver = true));
  await begun;
  for (const model of [b, c, d]) await executor.load(model);
  t.is(executor.pid, pid);
  t.true(executor.isLoaded(slow.sha256), "what runs stays");
  t.deepEqual(loadedOf(executor), [d], "with the newest");
  const fifth = executor.load(e).then(() => [isOver, executor.pid !== pid]);
  const waiting = run(executor, "waits", d);
  t.deepEqual(await fifth, [false, true], "a fifth model waits for the pieces that run");
  const result = await end;
  t.true(result.kind === "done" && result.outputs.length === many.length);
  t.is((await waiting).kind, "done");
  t.not(executor.pid, pid);
});

test("models in use are all kept, up to twice the limit", async (t) => {
  const hanging = await writeModel(folder.path, encodeModel({ behaviour: "hangs-on-white" }));
  const executor = await Executor.start({ slots: 1, loadedModels: 1 });
  // Both at once: what loads does not go.
  await Promise.all([executor.load(hanging), executor.load(a)]);
  const stuck = executor.run({
    id: "stuck",
    model: hanging,
    inputs: [white],
    timeoutMs: 600_000,
  });
  const ends = Promise.allSettled([stuck, run(executor, "waits", a)]);
  t.true(hasCode(await t.throwsAsync(executor.load(b)), "BUSY"));
  await executor.destroy();
  for (const { status } of await ends) t.is(status, "rejected");
});

test("the memory of a model that was unloaded is given back at the next idle moment", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  await executor.load(a);
  await executor.load(b);
  const { pid } = executor;
  executor.unload(a.sha256);
  t.deepEqual(loadedOf(executor), [b]);
  await until("the next process", () => executor.pid !== pid);
  t.is((await run(executor, "1", b)).kind, "done");
  t.is((await run(executor, "2", a)).kind, "done", "it comes back when it is needed");
});

test("what loads or is needed does not go; of the others the one used longest ago", (t) => {
  const out: number[] = [];
  const used = new Set<number>();
  const table = new ModelTable(
    { limit: 2 },
    {
      load: () => Promise.resolve(),
      used: () => used,
      onOut: ({ key }) => out.push(key),
    },
  );
  const first = table.entry(a);
  const second = table.entry(b);
  table.entry(c);
  t.deepEqual(out, [], "none has been loaded yet");
  first.loaded = true;
  second.loaded = true;
  used.add(second.plan.key);
  table.entry(a);
  table.entry(d);
  t.deepEqual(out, [first.plan.key], "one is needed, one loads");
  t.true(table.has(b.sha256));
  t.false(table.has(a.sha256));
});
