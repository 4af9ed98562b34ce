/** Which models a node deletes from its disk, and when. */
import test from "ava";
import { setImmediate as turn } from "node:timers/promises";
import type { Runtime } from "../../src/lib/runtime.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { ModelSweeper } from "../../src/node/model-sweeper.ts";
import { quiet } from "./quiet.ts";

/** A node whose state and disk are what the test says. */
class Stage {
  readonly stored: string[] = [];
  readonly dropped: string[] = [];
  readonly released: string[] = [];
  /** Somebody needs these at the moment. */
  readonly held = new Set<string>();
  readonly pauses: (() => void)[] = [];
  isReady = true;
  readonly #state = {
    models: new Map<string, object>(),
    olderModels: new Map<string, object>(),
    aliases: new Map<string, object>(),
    jobs: new Map<string, object>(),
    modelChanges: 0,
    jobEnds: 0,
  };
  readonly sweeper: ModelSweeper;

  constructor() {
    const runtime = {
      after: (_ms: number, end: () => void) => {
        this.pauses.push(end);
        return { cancel: () => undefined, restart: () => undefined };
      },
    } as unknown as Runtime;
    this.sweeper = new ModelSweeper({
      machine: this.#state as unknown as Machine,
      models: {
        stored: async () => [...this.stored],
        release: (sha256) => {
          if (this.held.has(sha256)) return false;
          this.released.push(sha256);
          return true;
        },
        drop: async (sha256) => {
          if (this.held.has(sha256)) return false;
          this.stored.splice(this.stored.indexOf(sha256), 1);
          this.dropped.push(sha256);
          return true;
        },
      },
      isReady: () => this.isReady,
      runtime,
      log: quiet,
    });
  }

  /** The state moved on. */
  async changed({ models = 0, ends = 0 } = {}): Promise<void> {
    this.#state.modelChanges += models;
    this.#state.jobEnds += ends;
    this.sweeper.nudge();
    for (let n = 0; n < 5; n += 1) await turn();
  }

  /** Adds a model of this name and network, unloaded if it is said. */
  model(name: string, sha256: string, wanted?: boolean): void {
    const preload = wanted === undefined ? undefined : { at: 1, wanted };
    this.#state.models.set(name, { name, version: 1, addedAt: 1, manifest: { sha256 }, preload });
  }

  /** Which networks names have, the newest version first. */
  set named(hashes: readonly string[]) {
    const { models, olderModels } = this.#state;
    for (const map of [models, olderModels]) map.clear();
    for (const [n, sha256] of hashes.entries())
      (n === 0 ? models : olderModels).set(sha256, { manifest: { sha256 } });
  }

  set jobs(list: readonly { readonly sha256: string; readonly kind: string }[]) {
    this.#state.jobs.clear();
    for (const [n, { sha256, kind }] of list.entries())
      this.#state.jobs.set(`j${n}`, { model: { manifest: { sha256 } }, status: { kind } });
  }
}

test("what no name and no unfinished job has is deleted, once the state is no old one", async (t) => {
  const stage = new Stage();
  stage.stored.push("a", "b", "c", "d");
  stage.named = ["a", "b"];
  stage.jobs = [
    { sha256: "c", kind: "paused" },
    { sha256: "d", kind: "done" },
  ];
  stage.isReady = false;
  await stage.changed({ models: 1 });
  t.deepEqual(stage.dropped, []);
  stage.isReady = true;
  await stage.changed();
  t.deepEqual(stage.dropped, ["d"]);
  stage.named = ["b"];
  await stage.changed();
  t.deepEqual(stage.dropped, ["d"], "nothing changed");
  await stage.changed({ models: 1 });
  t.deepEqual(stage.dropped, ["d", "a"]);
  await stage.sweeper.close();
});

test("what only a job has goes when the job has ended", async (t) => {
  const stage = new Stage();
  stage.stored.push("a");
  stage.jobs = [{ sha256: "a", kind: "running" }];
  await stage.changed({ models: 1 });
  stage.jobs = [{ sha256: "a", kind: "cancelled" }];
  await stage.changed({ ends: 1 });
  t.deepEqual(stage.dropped, ["a"]);
  stage.stored.push("b");
  await stage.changed({ ends: 1 });
  t.deepEqual(stage.dropped, ["a"], "no job's end is looked at that frees nothing");
  await stage.sweeper.close();
});

test("what is in use is looked at again after a while", async (t) => {
  const stage = new Stage();
  stage.stored.push("a");
  stage.held.add("a");
  await stage.changed({ models: 1 });
  await stage.changed();
  t.is(stage.pauses.length, 1);
  stage.held.clear();
  stage.pauses[0]!();
  await stage.changed();
  t.deepEqual(stage.dropped, ["a"]);
  t.is(stage.pauses.length, 1);
  await stage.sweeper.close();
});

test("what was unloaded leaves the executor when no job runs it, again after each job", async (t) => {
  const stage = new Stage();
  stage.stored.push("a", "b");
  stage.model("one", "a", false);
  stage.model("two", "b");
  stage.jobs = [{ sha256: "a", kind: "running" }];
  await stage.changed({ models: 1 });
  t.deepEqual(stage.released, []);
  stage.jobs = [{ sha256: "a", kind: "done" }];
  await stage.changed({ ends: 1 });
  t.deepEqual(stage.released, ["a"]);
  stage.jobs = [{ sha256: "a", kind: "failed" }];
  await stage.changed({ ends: 1 });
  t.deepEqual(stage.released, ["a", "a"]);
  stage.model("three", "a");
  await stage.changed({ models: 1 });
  t.is(stage.released.length, 2, "another name wants the same network");
  stage.model("three", "a", false);
  stage.held.add("a");
  await stage.changed({ models: 1 });
  t.is(stage.pauses.length, 1, "it is looked at again when it is not loading any more");
  t.deepEqual(stage.dropped, []);
  await stage.sweeper.close();
});
