/** What a newcomer on the spare thread does to the slot that yields to it, with real networks. */
import { rm } from "node:fs/promises";
import test from "ava";
import { systemClock } from "../../src/inference/clock.ts";
import { planOf } from "../../src/inference/protocol.ts";
import { Executor } from "../../src/inference/executor.ts";
import { Ticket } from "../../src/inference/ticket.ts";
import type { InputFile, InputOutput, QueryResult } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { type FilesInput, Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";
import { until } from "../until.ts";

const folder = await Folder.make();
const noLimitMs = 600_000;
/** For a slot to stand still. */
const [momentMs, longMs] = [3_000, 120_000];
const model = await writeModel(folder.path, encodeModel());
const hanging = await writeModel(folder.path, encodeModel({ behaviour: "hangs-on-white" }));
/** Some milliseconds for a white image, which it takes one by one: no query ends before a test has looked at it. */
const slow = await writeModel(
  folder.path,
  encodeModel({ behaviour: "hangs-on-white", trips: 2_000n, batch: 1 }),
);
const images = await Promise.all([10, 60, 110, 160].map(plain));
const inputs = await Promise.all(images.map((bytes) => folder.input(bytes)));
const white = await folder.input(await plain(255));
/** Enough that it is under way for as long as a test looks at it. */
const longCount = 600;

test.after.always(() => folder[Symbol.asyncDispose]());

/** The first image, cut so that its parts are nobody else's: `at` is another one for each caller. */
function ownInput(at: number): Promise<FilesInput> {
  return folder.input(images[0]!, at);
}

/** @param yieldMs longer than a busy machine takes to tell a thread to stand, and to hear that it does */
async function oneSlot(yieldMs: number): Promise<Executor> {
  const executor = await Executor.start({ slots: 1, hasSpare: true, yieldMs });
  await Promise.all([model, hanging, slow].map((each) => executor.load(each)));
  return executor;
}

interface Long {
  readonly begun: Promise<void>;
  readonly answer: Promise<QueryResult>;
}

/** A query of many inputs. */
function long(executor: Executor, first: InputFile, seen: number[] = []): Long {
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const rest = Array.from({ length: longCount - 1 }, () => white);
  const answer = executor.run(
    { id: "old/7/1", model: slow, inputs: [first, ...rest], timeoutMs: noLimitMs },
    {
      onProgress: (done) => {
        seen.push(done);
        // The first two pieces are of one input, and over at once; all the others are the next one.
        if (done > 2) begin();
      },
    },
  );
  // Each test awaits it, some only after something else has failed.
  answer.catch(() => undefined);
  return { begun, answer };
}

/** The slot stands still; false when the query that it runs ended before. */
async function stands(executor: Executor, { answer }: Long): Promise<boolean> {
  let hasEnded = false;
  const end = (): void => {
    hasEnded = true;
  };
  answer.then(end, end);
  await until("a slot stands still, or never did", () => executor.standing === 1 || hasEnded);
  return !hasEnded;
}

/** A newcomer that never gets through its first micro-batch. */
function stuck(executor: Executor): Promise<unknown> {
  const request = { id: "new/0/1", model: hanging, inputs: [white], timeoutMs: noLimitMs };
  return executor.run({ ...request, express: true }).catch((error: unknown) => error);
}

function outputs(result: QueryResult): readonly InputOutput[] {
  if (result.kind !== "done") throw new Error(`not done: ${result.why}`);
  return result.outputs;
}

test.serial(
  "a newcomer is answered first, and the query that made way goes on where it was",
  async (t) => {
    await using executor = await oneSlot(longMs);
    const first = await ownInput(20);
    const both = { id: "both/1/1", model: slow, inputs: [first, white], timeoutMs: noLimitMs };
    const ofBoth = await executor.run(both);
    const seen: number[] = [];
    const old = long(executor, first, seen);
    await old.begun;
    // To run it again is impossible from now on.
    for (const { path } of first.parts) await rm(path);
    const order: string[] = [];
    const request = { id: "new/0/1", model, inputs, timeoutMs: noLimitMs, express: true };
    const [ofNew, ofOld] = await Promise.all([
      executor.run(request).finally(() => order.push("new")),
      old.answer.finally(() => order.push("old")),
    ]);
    t.deepEqual(order, ["new", "old"]);
    t.is(outputs(ofNew).length, inputs.length);
    const [ofFirst, ofWhite] = outputs(ofBoth);
    const expected = Array.from({ length: longCount }, (_, i) => (i === 0 ? ofFirst : ofWhite));
    t.deepEqual(outputs(ofOld), expected);
    t.is(seen.at(-1), longCount);
    t.is(executor.standing, 0);
  },
);

test.serial(
  "a newcomer that hangs holds the slot for a moment only, which is nobody's time",
  async (t) => {
    await using executor = await oneSlot(momentMs);
    const startedAt = performance.now();
    const first = await ownInput(30);
    const old = long(executor, first);
    await old.begun;
    for (const { path } of first.parts) await rm(path);
    const newcomer = stuck(executor);
    t.true(await stands(executor, old), "it stood before it ended");
    const stoodAt = performance.now();
    let stillAt = stoodAt;
    await until("the slot goes on", () => {
      if (executor.standing === 0) return true;
      stillAt = performance.now();
      return false;
    });
    const result = await old.answer;
    t.is(outputs(result).length, longCount);
    const { totalMs } = result.kind === "done" ? result.timings : { totalMs: Infinity };
    t.true(performance.now() - startedAt - totalMs >= stillAt - stoodAt);
    await executor.destroy();
    t.true(hasCode(await newcomer, "CLOSED"));
  },
);

test.serial("a query that stands still is cancelled at once", async (t) => {
  await using executor = await oneSlot(longMs);
  const old = long(executor, inputs[0]!);
  await old.begun;
  const newcomer = stuck(executor);
  t.true(await stands(executor, old), "it stood before it ended");
  executor.cancel("old/7/1");
  t.like(await t.throwsAsync(old.answer), { code: "CLOSED" });
  t.is(executor.running, 1, "the newcomer");
  await executor.destroy();
  t.like(await newcomer, { code: "CLOSED" });
});

test.serial("what stood still when the process died runs in the next, unnoticed", async (t) => {
  await using executor = await oneSlot(longMs);
  const old = long(executor, inputs[0]!);
  await old.begun;
  const newcomer = stuck(executor);
  t.true(await stands(executor, old), "it stood before it ended");
  process.kill(executor.pid!, "SIGKILL");
  t.true(hasCode(await newcomer, "EXECUTOR_FAILED"));
  t.is(outputs(await old.answer).length, longCount);
});

test.serial("the clock of a time-out stands while its query does", async (t) => {
  const ticket = (timeoutMs: number): Ticket =>
    new Ticket(
      { request: { id: "a/0/1", model, inputs: [], timeoutMs }, plan: planOf(model, 0) },
      { order: 0 },
      systemClock,
    );
  const [paused, longer] = [ticket(30), ticket(120)];
  let isExpired = false;
  const expiry = new Promise<void>((resolve) =>
    paused.start(() => {
      isExpired = true;
      resolve();
      return undefined;
    }),
  );
  paused.pause();
  paused.pause();
  await new Promise<void>((resolve) =>
    longer.start(() => {
      resolve();
      return undefined;
    }),
  );
  t.false(isExpired);
  paused.resume();
  paused.resume();
  await expiry;
  t.true(isExpired);
});
