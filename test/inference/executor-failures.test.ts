import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import test from "ava";
import { Executor } from "../../src/inference/executor.ts";
import type { InputFile, QueryResult } from "../../src/inference/types.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { until } from "../until.ts";
import { crops, Folder, plain } from "./input-files.ts";
import { encodeModel, writeModel } from "./onnx-models.ts";

const folder = await Folder.make();

const noLimitMs = 60_000;
const hanging = await writeModel(folder.path, encodeModel({ behaviour: "hangs-on-white" }));
const white = await folder.input(await plain(255));
const black = await folder.input(await plain(0));

test.after.always(() => folder[Symbol.asyncDispose]());

/** Runs a query that never ends. */
function hang(executor: Executor, id: string, timeoutMs = noLimitMs): Promise<unknown> {
  return executor.run({ id, model: hanging, inputs: [white], timeoutMs }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

const run = (executor: Executor, id: string, inputs: readonly InputFile[]): Promise<QueryResult> =>
  executor.run({ id, model: hanging, inputs, timeoutMs: noLimitMs });

test("when the process is killed, what ran is reported and what waited runs in the next", async (t) => {
  await using executor = await Executor.start({ slots: 2 });
  await executor.load(hanging);
  const { pid } = executor;
  const stuck = [hang(executor, "a"), hang(executor, "b")];
  const waiting = ["c", "d", "e", "f", "g"].map((id) => run(executor, id, [black]));
  t.is(executor.running, 2);
  process.kill(pid!, "SIGKILL");
  for (const error of stuck) {
    const failure = await error;
    t.true(hasCode(failure, "EXECUTOR_FAILED") && failure.details.why === "killed: SIGKILL");
  }
  for (const result of await Promise.all(waiting)) t.is(result.kind, "done");
  t.not(executor.pid, pid);
});

test("a time-out kills one query only: its neighbours do not notice", async (t) => {
  await using executor = await Executor.start({ slots: 2 });
  await executor.load(hanging);
  const { pid } = executor;
  const stuck = hang(executor, "stuck", 500);
  const many = Array.from({ length: 20_000 }, () => black);
  const seen: number[] = [];
  const neighbour = new AbortController();
  let again: () => void = () => undefined;
  const restarted = new Promise<void>((resolve) => (again = resolve));
  const neighbourEnd = executor
    .run(
      { id: "neighbour", model: hanging, inputs: many, timeoutMs: noLimitMs },
      {
        onProgress: (done) => {
          seen.push(done);
          if (executor.pid !== pid) again();
        },
        signal: neighbour.signal,
      },
    )
    .catch((error: unknown) => error);
  const failure = await stuck;
  t.true(hasCode(failure, "EXECUTOR_FAILED"));
  t.regex(String(failure), /query stuck#0 timed out after 500 ms/);
  // The neighbour got past where it was, in the next process.
  await restarted;
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  neighbour.abort();
  t.true(hasCode(await neighbourEnd, "CLOSED"));
});

test("waiting counts for no time-out", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  await executor.load(hanging);
  const stuck = hang(executor, "stuck", 2500);
  // Its time is shorter than its wait.
  const request = { id: "next", model: hanging, inputs: [black], timeoutMs: 2000 };
  const next = executor.run(request);
  t.true(hasCode(await stuck, "EXECUTOR_FAILED"));
  t.is((await next).kind, "done");
});

test("models are loaded again in the next process, unless their file is gone", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const other = await writeModel(folder.path, encodeModel({ seed: 77 }));
  await executor.load(hanging);
  await executor.load(other);
  await rm(other.path);
  const stuck = hang(executor, "stuck");
  const lost = executor.run({ id: "lost", model: other, inputs: [black], timeoutMs: noLimitMs });
  const lostEnd = t.throwsAsync(lost);
  process.kill(executor.pid!, "SIGKILL");
  t.true(hasCode(await stuck, "EXECUTOR_FAILED"));
  t.true(hasCode(await lostEnd, "BAD_MODEL"));
  t.is((await run(executor, "fine", [black])).kind, "done");
});

if (process.platform === "linux")
  test("the process does not outlive the daemon, not even inside a network and in the middle of a sentence", async (t) => {
    const daemon = fork(new URL("./short-lived-daemon.js", import.meta.url), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    daemon.send({ model: hanging, inputs: [black, white] });
    const [pid] = (await once(daemon, "message")) as [number];
    t.true(isAlive(pid));
    // It finds the channel's end and something to say at the same moment.
    process.kill(pid, "SIGSTOP");
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
    process.kill(pid, "SIGCONT");
    // Nobody tells when a grandchild ends.
    await t.notThrowsAsync(until("the executor is gone", () => !isAlive(pid)));
  });

function isAlive(pid: number): boolean {
  try {
    // A dead process whose parent is gone stays a zombie where nothing collects it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // No such process.
    void error;
    return false;
  }
}

test("a damaged or missing part is named, and no result is made of it", async (t) => {
  await using executor = await Executor.start({ slots: 1 });
  const [bytes] = await crops(1);
  const input = await folder.input(bytes!, 1000, 2000);
  const { hash, path } = input.parts[1]!;
  await writeFile(path, "other bytes");
  const damaged = await run(executor, "damaged", [black, input, black]);
  t.like(damaged, { kind: "damaged", hash });
  await rm(path);
  t.like(await run(executor, "missing", [input]), { kind: "damaged", hash });
  await writeFile(path, bytes!.subarray(1000, 2000));
  t.is((await run(executor, "repaired", [input])).kind, "done");
});

// Serial ones run first, alone: this one changes the environment that processes start in.
test.serial("an executor that cannot start says so", async (t) => {
  const path = process.env["NODE_OPTIONS"];
  // Every process it starts ends at once.
  process.env["NODE_OPTIONS"] = "--no-such-option";
  try {
    const error = await t.throwsAsync(Executor.start({ slots: 1 }));
    t.true(hasCode(error, "EXECUTOR_FAILED"));
    t.regex(String(error), /failed to start \d+ times in a row: killed: exit code 9/);
  } finally {
    if (path === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = path;
  }
});
