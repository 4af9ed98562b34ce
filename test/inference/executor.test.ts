import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { Executor } from "../../src/inference/executor.ts";
import type {
  ClassScore,
  InputFile,
  InputOutput,
  LocalModel,
  QueryResult,
} from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { crops, Folder, photo, plain } from "./input-files.ts";
import { encodeModel, SIDE, writeModel } from "./onnx-models.ts";
import { until } from "../until.ts";

const folder = await Folder.make();

const noLimitMs = 60_000;
const model = await writeModel(folder.path, encodeModel());
const hanging = await writeModel(folder.path, encodeModel({ behaviour: "hangs-on-white" }));
const images = [
  ...(await crops(10)),
  await photo("black-canyon"),
  await photo("allium-oreophilum"),
];
const inputs = await Promise.all(images.map((bytes) => folder.input(bytes)));
/** For tests that leave it as it is. */
const shared = await Executor.start({ slots: 1 });
const white = await folder.input(await plain(255));

test.after.always(async () => {
  await shared.close();
  await folder[Symbol.asyncDispose]();
});

/** What a loop around onnxruntime answers, one image at a time, written without the code under test. */
async function expected(of: LocalModel, bytes: Uint8Array): Promise<InputOutput> {
  const { data } = await sharp(bytes, { ignoreIcc: true })
    .resize(SIDE, SIDE, { fit: "fill" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const planes = Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
    const channel = Math.floor(i / (SIDE * SIDE));
    return Math.fround((data[(i % (SIDE * SIDE)) * 3 + channel] ?? 0) * Math.fround(1 / 255));
  });
  const session = await InferenceSession.create(of.path, {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = { image: new Tensor("float32", planes, [1, 3, SIDE, SIDE]) };
  const { scores: answer } = await session.run(feeds);
  const logits = [...(answer!.data as Float32Array)];
  const most = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  const scores = logits.map((logit, i): ClassScore => [
    i,
    Math.round((Math.exp(logit - most) / sum) * 1e6),
  ]);
  const top = scores.toSorted((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, of.manifest.topK);
  return { kind: "classes", top };
}

function outputs(result: QueryResult): readonly InputOutput[] {
  if (result.kind !== "done") throw new Error(`not done: ${result.why}`);
  return result.outputs;
}

/** Runs all inputs, `size` to a query, and puts the answers together again. */
async function runSplit(
  executor: Executor,
  all: readonly InputFile[],
  size: number,
): Promise<string> {
  const queries = Array.from({ length: Math.ceil(all.length / size) }, (_, i) => ({
    id: `split-${size}-${i}`,
    model,
    inputs: all.slice(i * size, (i + 1) * size),
    timeoutMs: noLimitMs,
  }));
  const results = await Promise.all(queries.map((query) => executor.run(query)));
  return JSON.stringify(results.flatMap(outputs));
}

test("results equal a plain loop around onnxruntime", async (t) => {
  const { loadMs } = await shared.load(model);
  t.true(loadMs > 0);
  const result = await shared.run({ id: "plain", model, inputs, timeoutMs: noLimitMs });
  const wanted: InputOutput[] = [];
  for (const bytes of images) wanted.push(await expected(model, bytes));
  t.deepEqual(outputs(result), wanted);
});

test("results do not depend on slots or on how inputs are split into queries", async (t) => {
  const many = [...inputs, ...inputs, ...inputs, ...inputs];
  const seen = new Set<string>();
  await using executor = await Executor.start({ slots: 3 });
  for (const size of [1, 5, 48])
    for (const one of [shared, executor]) seen.add(await runSplit(one, many, size));
  t.is(seen.size, 1);
});

test("a file that is cut into chunks anywhere is one image", async (t) => {
  const [bytes] = images;
  const whole = await folder.input(bytes!);
  const cut = await folder.input(bytes!, 1, 5, 1000);
  const result = await shared.run({
    id: "cut",
    model,
    inputs: [whole, cut],
    timeoutMs: noLimitMs,
  });
  const [first, second] = outputs(result);
  t.deepEqual(second, first);
});

test("progress counts up to the number of inputs", async (t) => {
  const seen: number[] = [];
  const request = { id: "progress", model, inputs, timeoutMs: noLimitMs };
  const result = await shared.run(request, { onProgress: (done) => seen.push(done) });
  t.is(seen.at(-1), inputs.length);
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  t.true(result.kind === "done" && result.timings.totalMs >= result.timings.inferMs);
});

test("a query without inputs is done at once", async (t) => {
  t.deepEqual(
    outputs(await shared.run({ id: "empty", model, inputs: [], timeoutMs: noLimitMs })),
    [],
  );
});

test("a cancelled query rejects with CLOSED, whether it waits, is read ahead or runs", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  await executor.load(model);
  const many = Array.from({ length: 5000 }, () => inputs[0]!);
  let begun: () => void = () => undefined;
  const running = new Promise<void>((resolve) => (begun = resolve));
  const abort = new AbortController();
  const ids = ["j1/0/1", "j1/1/1", "j1/2/1"];
  const ends = ids.map((id) =>
    t.throwsAsync(
      executor.run(
        { id, model, inputs: many, timeoutMs: noLimitMs },
        { onProgress: begun, ...(id === ids[0] ? { signal: abort.signal } : {}) },
      ),
    ),
  );
  await running;
  t.is(executor.queued, 2);
  executor.cancel("j1/1/1");
  executor.cancel("j1/2/1");
  executor.cancel("unknown");
  abort.abort();
  for (const error of await Promise.all(ends)) t.true(hasCode(error, "CLOSED"));
  t.is(executor.running + executor.queued, 0);
  const after = await executor.run({ id: "j1/0/1", model, inputs, timeoutMs: noLimitMs });
  t.is(outputs(after).length, inputs.length);
});

test("the queue has a limit, and an id is under way once", async (t) => {
  await using executor = await Executor.start({ slots: 1, maxRequests: 2 });
  const run = (id: string): Promise<QueryResult> =>
    executor.run({ id, model, inputs, timeoutMs: noLimitMs });
  const accepted = [run("a")];
  t.true(hasCode(await t.throwsAsync(run("a")), "CONFLICT"));
  accepted.push(run("b"));
  t.true(hasCode(await t.throwsAsync(run("c")), "BUSY"));
  for (const result of await Promise.all(accepted)) t.is(result.kind, "done");
});

test("an idle thread takes over what a busy one holds ahead", async (t) => {
  await using executor = await Executor.start({ slots: 2 });
  // Some milliseconds for each white image: it would not end before the test does.
  const slow = await writeModel(
    folder.path,
    encodeModel({ behaviour: "hangs-on-white", trips: 2_000n, batch: 1 }),
  );
  await Promise.all([executor.load(model), executor.load(slow)]);
  const long = Array.from({ length: 2_000 }, () => white);
  const abort = new AbortController();
  // One thread is busy for long and holds `c` ahead; the other is soon idle.
  const busy = t.throwsAsync(
    executor.run(
      { id: "a", model: slow, inputs: long, timeoutMs: noLimitMs },
      { signal: abort.signal },
    ),
  );
  const short = ["b", "c", "d"].map((id) =>
    executor.run({ id, model, inputs, timeoutMs: noLimitMs }),
  );
  for (const result of await Promise.all(short)) t.is(result.kind, "done");
  await until("it runs", () => executor.running > 0);
  abort.abort();
  t.true(hasCode(await busy, "CLOSED"));
});

test("an express query is answered while a network that never ends has the only slot", async (t) => {
  await using executor = await Executor.start({ slots: 1, hasSpare: true });
  const stuck = executor.run({
    id: "stuck",
    model: hanging,
    inputs: [white],
    timeoutMs: noLimitMs,
  });
  stuck.catch(() => undefined); // ends with the executor
  await executor.load(model);
  const first = { id: "first", model, inputs: inputs.slice(0, 2), timeoutMs: noLimitMs };
  const { kind } = await executor.run({ ...first, express: true });
  t.is(kind, "done");
  t.is(executor.running, 1, "the slot is still busy");
  await executor.destroy();
});

test("closing finishes what runs, refuses what is new and leaves no process", async (t) => {
  const executor = await Executor.start({ slots: 2 });
  await executor.load(model);
  const { pid } = executor;
  const running = executor.run({ id: "q", model, inputs, timeoutMs: noLimitMs });
  const closing = executor.close();
  t.is((await running).kind, "done");
  const late = executor.run({ id: "late", model, inputs, timeoutMs: noLimitMs });
  t.true(hasCode(await t.throwsAsync(late), "CLOSED"));
  await Promise.all([closing, executor.close(), executor.destroy()]);
  t.is(executor.pid, undefined);
  t.throws(() => process.kill(pid!, 0), { code: "ESRCH" });
});

test("destroying does not wait for a network", async (t) => {
  const executor = await Executor.start({ slots: 1 });
  await executor.load(hanging);
  const { pid } = executor;
  const stuck = t.throwsAsync(
    executor.run({ id: "q", model: hanging, inputs: [white], timeoutMs: noLimitMs }),
  );
  await executor.destroy();
  t.true(hasCode(await stuck, "CLOSED"));
  t.throws(() => process.kill(pid!, 0), { code: "ESRCH" });
});

test("a start that is aborted leaves no process and rejects with CLOSED", async (t) => {
  const abort = new AbortController();
  const starting = t.throwsAsync(Executor.start({ slots: 1 }, { signal: abort.signal }));
  abort.abort();
  t.true(hasCode(await starting, "CLOSED"));
});

if (process.platform === "linux")
  test("every thread of the process yields to the daemon", async (t) => {
    await using executor = await Executor.start({ slots: 2 });
    await executor.load(model);
    await runSplit(executor, inputs, 3);
    const tasks = `/proc/${executor.pid}/task`;
    const nices = readdirSync(tasks).map((task) => {
      const stat = readFileSync(`${tasks}/${task}/stat`, "utf8");
      // Field 19 of proc_pid_stat(5); the second may hold spaces.
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16];
    });
    t.true(nices.length > 5);
    t.deepEqual(new Set(nices), new Set(["10"]));
  });

if (process.platform === "linux")
  test("the process asks for huge pages", async (t) => {
    await using executor = await Executor.start({ slots: 1 });
    const environment = readFileSync(`/proc/${executor.pid}/environ`, "utf8").split("\0");
    const tunables = environment.find((each) => each.startsWith("GLIBC_TUNABLES="));
    t.regex(tunables ?? "", /[=:]glibc\.malloc\.hugetlb=\d/);
  });
