/** When the leader's scheduler commits results, and with what. */
import test from "ava";
import type { Operation } from "../../src/machine/commands.ts";
import { Dispatcher, type DispatcherPorts } from "../../src/node/dispatcher.ts";
import { type JobId, LogTime } from "../../src/lib/types.ts";
import { aheadMs } from "../../src/scheduler/room.ts";
import type { Completion } from "../../src/scheduler/types.ts";
import { cluster, completion, type Replica, submit } from "../machine/fixtures.ts";
import { quiet } from "./quiet.ts";

/** Of which a slot has no more in hand than it must. */
const slowMs = 1_000;

type Work = Extract<Operation, { readonly kind: "work" }>;

/** A leader whose commands are committed at once, on a clock that the test moves. */
class Stage {
  readonly replica: Replica = cluster(1);
  readonly commands: Work[] = [];
  readonly dispatcher: Dispatcher;
  /** Why commands are not committed. */
  failure: Error | undefined;
  /** What workers were told instead that their results are committed. */
  readonly refusals: unknown[] = [];
  #nowMs = 0;
  readonly #timers = new Map<() => void, number>();

  constructor() {
    const ports = {
      machine: this.replica.machine,
      driver: { isReadyLeader: true, role: { term: 1 } },
      coordination: {
        proposeHere: async (operation: Work) => {
          if (this.failure !== undefined) throw this.failure;
          this.commands.push(operation);
          return this.replica.must(operation).outcome;
        },
      },
      push: async () => undefined,
      logClock: { now: () => LogTime(this.replica.at) },
      runtime: {
        now: () => this.#nowMs,
        after: (ms: number, run: () => void) => {
          this.#timers.set(run, this.#nowMs + ms);
          return { cancel: () => this.#timers.delete(run) };
        },
        every: () => ({ cancel: () => undefined }),
        soon: (run: () => void) => setImmediate(run),
      },
      log: quiet,
    } as unknown as DispatcherPorts;
    this.dispatcher = new Dispatcher(ports);
  }

  /** A job of queries of one input each, handed out as far as there is room. */
  async begun(totalInputs: number): Promise<JobId> {
    const id = submit(this.replica, { totalInputs, batchSize: 1 });
    this.dispatcher.nudge();
    await turn();
    return id;
  }

  /** The next timer fires, if there is one: also a little before its time, as Node's do. */
  async wait(): Promise<void> {
    const [next] = [...this.#timers].toSorted(([, a], [, b]) => a - b);
    if (next === undefined) return;
    const [run, atMs] = next;
    this.#nowMs = atMs - 0.5;
    this.#timers.delete(run);
    run();
    await turn();
  }

  async complete(job: JobId, query: number, more: Partial<Completion> = {}): Promise<void> {
    const result = { ...completion(job, query, [[0, 1]], { elapsedMs: slowMs }), ...more };
    void this.dispatcher.complete([result]).catch((error: unknown) => this.refusals.push(error));
    await turn();
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Queries that the newest command completed, and how many it handed out. */
  get newest(): readonly [completed: readonly number[], assigned: number] | undefined {
    const command = this.commands.at(-1);
    return command && [command.complete.map(({ query }) => query), command.assign.length];
  }
}

/** All promises that are settled have been seen. */
async function turn(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("results wait for others while their job has more to hand out, and places are filled in the same command", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(20);
  t.deepEqual(stage.newest, [[], 4]);
  await stage.complete(job, 0);
  t.deepEqual(stage.newest, [[0], 1], "a job's first result tells that it can be run");
  await stage.complete(job, 1);
  await stage.complete(job, 2);
  t.deepEqual(stage.newest, [[0], 1]);
  await stage.wait();
  t.deepEqual(stage.newest, [[1, 2], 2]);
  await stage.complete(job, 3);
  await stage.wait();
  t.deepEqual(stage.newest, [[3], 1]);
  t.is(stage.commands.length, 4);
});

test("what a result tells of its job's cost is handed out with it, not by a command more", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(1_000);
  t.deepEqual(stage.newest, [[], 4]);
  await stage.complete(job, 0, { elapsedMs: 10 });
  t.deepEqual(stage.newest, [[0], 2 * (aheadMs / 10) - 3]);
  t.is(stage.commands.length, 2);
});

test("a query of which nothing came but errors tells no cost", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(1_000);
  await stage.complete(job, 0, { elapsedMs: 10, outputs: ["unreadable"] });
  t.deepEqual(stage.newest, [[0], 1]);
});

test("a result waits for half of what its node has in hand beyond decoding, and less when that shrinks", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(1_000);
  const quick = { elapsedMs: 200 };
  await stage.complete(job, 0, quick);
  // Two slots have four queries, of which these are done now.
  for (const query of [1, 2]) await stage.complete(job, query, quick);
  t.deepEqual(stage.newest?.[0], [0]);
  await stage.wait();
  t.deepEqual(stage.newest?.[0], [1, 2]);
  t.is(Math.ceil(stage.nowMs), ((2 * 200) / 2 - 100) / 2);
});

test("of queries shorter than a burst of decoding less is kept for it", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(1_000);
  const quick = { elapsedMs: 10 };
  await stage.complete(job, 0, quick);
  const inHand = 2 * (aheadMs / 10);
  for (const query of [1, 2]) await stage.complete(job, query, quick);
  t.deepEqual(stage.newest?.[0], [0]);
  await stage.wait();
  t.deepEqual(stage.newest?.[0], [1, 2]);
  t.is(Math.ceil(stage.nowMs), Math.ceil((((inHand - 2) * 10) / 2 - 10) / 2));
});

test("a result of a node that has nothing more in hand does not wait", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(1_000);
  await stage.complete(job, 0);
  for (const query of [1, 2, 3]) await stage.complete(job, query);
  t.deepEqual(stage.newest?.[0], [0]);
  await stage.complete(job, 4);
  t.deepEqual(stage.newest?.[0], [1, 2, 3, 4]);
});

test("a failure does not wait, and what has waited goes with it", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(20);
  await stage.complete(job, 0);
  await stage.complete(job, 1);
  await stage.complete(job, 2, { outputs: [], failed: "killed" });
  const failing = stage.commands.find(({ complete }) => complete.some(({ failed }) => failed));
  t.deepEqual(
    failing?.complete.map(({ query }) => query),
    [1, 2],
  );
});

test("results that wait go with whatever is handed out meanwhile", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(20);
  await stage.complete(job, 0);
  await stage.complete(job, 1);
  submit(stage.replica, { totalInputs: 1 });
  stage.dispatcher.nudge();
  await turn();
  t.deepEqual(stage.newest?.[0], [1]);
});

test("nothing waits while another job has inputs left", async (t) => {
  const stage = new Stage();
  const [job, other] = [await stage.begun(20), await stage.begun(20)];
  await stage.complete(job, 0);
  await stage.complete(job, 1);
  t.deepEqual(stage.newest?.[0], [1]);
  stage.replica.must({ kind: "steer-job", job: other, to: "cancelled" });
  stage.dispatcher.nudge();
  await turn();
  await stage.complete(job, 2);
  t.notDeepEqual(stage.newest?.[0], [2]);
  await stage.wait();
  t.deepEqual(stage.newest?.[0], [2]);
});

test("nothing waits when all of its job is handed out", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(4);
  for (const query of [0, 1, 2, 3]) {
    await stage.complete(job, query);
    t.deepEqual(stage.newest, [[query], 0]);
  }
  t.is(stage.replica.machine.jobs.get(job)?.doneInputs, 4);
});

test("after a command that failed, and after another has led, results are committed as before", async (t) => {
  const stage = new Stage();
  const job = await stage.begun(20);
  await stage.complete(job, 0);
  stage.failure = new Error("the disk hangs");
  await stage.complete(job, 1);
  await stage.wait();
  t.deepEqual(stage.refusals, [stage.failure]);
  stage.failure = undefined;
  await stage.complete(job, 1);
  await stage.wait();
  t.deepEqual(stage.newest?.[0], [1]);
  await stage.complete(job, 2);
  stage.dispatcher.resign();
  await turn();
  t.like(stage.refusals[1], { code: "NOT_LEADER" });
  await stage.complete(job, 2);
  await stage.wait();
  t.deepEqual(stage.newest?.[0], [2]);
});
