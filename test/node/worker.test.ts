/** A node's queries when their job is cancelled: what runs is told to stop, and nothing else begins. */
import test from "ava";
import type { QueryRequest, QueryResult } from "../../src/inference/types.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { AssignedQuery } from "../../src/lib/outcome.ts";
import type { JobId } from "../../src/lib/types.ts";
import { Worker, type WorkerPorts } from "../../src/node/worker.ts";
import type { Completion } from "../../src/scheduler/types.ts";
import { cluster, hashOf, nodeName, type Replica, submit } from "../machine/fixtures.ts";
import { capacity, carryOut, plan } from "../scheduler/planning.ts";
import { quiet } from "./quiet.ts";

/** Queries per slot that a worker prepares. */
const prepared = 4;

/** A worker of one slot whose inputs come, and whose queries end, when the test says so. */
class Stage {
  readonly replica: Replica = cluster(1);
  readonly worker: Worker;
  readonly finished: Completion[] = [];
  readonly begun: string[] = [];
  readonly cancelled: string[] = [];
  readonly #chunks: (() => void)[] = [];
  readonly #ends = new Map<string, (error: IDunnoError) => void>();
  /** What is wrong with the model, if anything is. */
  modelError: IDunnoError | undefined;
  readonly pauses: (() => void)[] = [];

  constructor() {
    const { machine } = this.replica;
    const run = async ({ id }: QueryRequest): Promise<QueryResult> => {
      this.begun.push(id);
      return new Promise((_, reject) => this.#ends.set(id, reject));
    };
    const ports = {
      self: nodeName(1),
      boot: "boot1",
      machine,
      applier: { appliedIndex: 0 },
      executor: {
        slots: 1,
        pid: 1,
        run,
        runAlone: run,
        cancel: (id: string) => {
          this.cancelled.push(id);
          this.#ends.get(id)?.(new IDunnoError("CLOSED", { what: `query ${id}` }));
        },
      },
      models: {
        ready: async () => {
          if (this.modelError !== undefined) throw this.modelError;
          return { manifest: {} };
        },
      },
      inputs: {
        range: async () => [{ path: "a", version: 1, bytes: 1, chunks: [hashOf(3)] }],
      },
      chunks: {
        isLost: () => false,
        acquire: async () => {
          await new Promise<void>((resolve) => this.#chunks.push(resolve));
          return { path: "", release: () => undefined };
        },
      },
      finished: (completion: Completion) => this.finished.push(completion),
      runtime: {
        after: (_: number, end: () => void) => {
          this.pauses.push(end);
          return { cancel: () => undefined };
        },
      },
      log: quiet,
    } as unknown as WorkerPorts;
    this.worker = new Worker(ports);
  }

  /** Hands out what a node of one slot gets ahead of cheap queries. */
  submitted(): { readonly id: JobId; readonly queries: readonly AssignedQuery[] } {
    const id = submit(this.replica, { totalInputs: 100, batchSize: 1 });
    const queries = carryOut(
      this.replica,
      plan(this.replica, [capacity(1, 1)], () => 10),
    );
    this.worker.assign(queries);
    return { id, queries };
  }

  cancel(job: JobId): void {
    this.replica.must({ kind: "steer-job", job, to: "cancelled" });
    this.worker.onApplied();
  }

  /** All inputs that are waited for come, and whoever waited goes on. */
  async inputsCome(): Promise<void> {
    await turn();
    for (const come of this.#chunks.splice(0)) come();
    await turn();
  }
}

/** All promises that are settled have been seen. */
const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("of a cancelled job what runs is told to stop, and what waits does not begin", async (t) => {
  const stage = new Stage();
  const { id, queries } = stage.submitted();
  t.true(queries.length > prepared);
  await stage.inputsCome();
  t.is(stage.begun.length, prepared);
  stage.cancel(id);
  t.deepEqual(stage.cancelled, stage.begun);
  await stage.inputsCome();
  await stage.inputsCome();
  t.is(stage.begun.length, prepared);
  t.deepEqual(stage.finished, []);
});

test("a query whose job is cancelled while its inputs come does not begin", async (t) => {
  const stage = new Stage();
  const { id } = stage.submitted();
  await turn();
  stage.cancel(id);
  await stage.inputsCome();
  t.deepEqual(stage.begun, []);
  const next = stage.submitted();
  await stage.inputsCome();
  t.is(stage.begun.length, prepared, "its places are those of the next job");
  t.true(stage.begun.every((query) => query.startsWith(`${next.id}/`)));
});

test("while queries are kept back it is told why, and no longer", async (t) => {
  const stage = new Stage();
  stage.modelError = new IDunnoError("BAD_MODEL", { model: "tiny", why: "it is empty" });
  const { id } = stage.submitted();
  await turn();
  t.regex(stage.worker.delayOf(id) ?? "", /^BAD_MODEL: .*it is empty/);
  t.is(stage.worker.delayOf("j0" as JobId), undefined, "of another job there is nothing to tell");
  stage.modelError = undefined;
  for (const end of stage.pauses.splice(0)) end();
  await stage.inputsCome();
  t.is(stage.begun.length, prepared);
  t.is(stage.worker.delayOf(id), undefined);
});
