/** A query that is cancelled frees its slot within one micro-batch, and what waited behind it runs. */
import test from "ava";
import { systemClock } from "../../src/inference/clock.ts";
import { Executor } from "../../src/inference/executor.ts";
import { type RunnerPorts, runQuery, type ThreadModel } from "../../src/inference/query-runner.ts";
import type { ThreadQuery } from "../../src/inference/thread-query.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();
test.after.always(() => folder[Symbol.asyncDispose]());

/** Some tens of milliseconds an image, which it takes one by one. */
const trips = 20_000n;
const inputs = 2_000;

test("the slot of a cancelled query is free long before the query would have ended", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const bytes = encodeModel({ behaviour: "hangs-on-white", trips, batch: 1 });
  const model = await writeModel(folder.path, bytes);
  await executor.load(model);
  const white = await folder.input(await plain(255));
  const { pid } = executor;
  let done = 0;
  let begun: () => void = () => undefined;
  const began = new Promise<void>((resolve) => (begun = resolve));
  const slow = executor.run(
    { id: "slow", model, inputs: Array.from({ length: inputs }, () => white), timeoutMs: 600_000 },
    {
      onProgress: (inputsDone) => {
        done = inputsDone;
        begun();
      },
    },
  );
  const slowEnd = t.throwsAsync(slow);
  const next = executor.run({ id: "next", model, inputs: [white], timeoutMs: 60_000 });
  await began;
  executor.cancel("slow");
  t.true(hasCode(await slowEnd, "CLOSED"));
  t.is((await next).kind, "done");
  t.true(done < inputs / 4, `${done} inputs were done`);
  t.is(executor.pid, pid, "no process was ended for it");
});

test("a thread looks before each micro-batch whether its query is cancelled", async (t) => {
  const runs: number[] = [];
  const query = {
    inputs: Array.from({ length: 100 }),
    cancelled: false,
    take: async () => ({ kind: "pixels" }),
  };
  const model = {
    plan: { output: { kind: "classes", activation: "none", topK: 1 } },
    micro: { size: 4 },
    run: async (images: readonly unknown[]) => {
      runs.push(images.length);
      // It comes while the network runs.
      if (runs.length === 3) query.cancelled = true;
      return images.map(() => [Float32Array.of(1)]);
    },
  };
  const ports: RunnerPorts = {
    clock: systemClock,
    boundary: async () => undefined,
    refill: () => undefined,
    onProgress: () => undefined,
  };
  const end = await runQuery(
    query as unknown as ThreadQuery,
    model as unknown as ThreadModel,
    ports,
  );
  t.deepEqual(end, { kind: "cancelled" });
  t.deepEqual(runs, [4, 4, 4]);
});
