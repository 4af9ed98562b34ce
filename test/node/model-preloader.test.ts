/** Which models a node loads before anybody needs them, and in which order. */
import test from "ava";
import type { LocalModel } from "../../src/inference/types.ts";
import type { Runtime } from "../../src/lib/runtime.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { ModelPreloader } from "../../src/node/model-preloader.ts";
import { quiet } from "./quiet.ts";

interface Asked {
  readonly name: string;
  readonly succeed: () => void;
  readonly fail: () => void;
}

/** A node whose models load when the test says so, and whose pauses end when it says so. */
class Stage {
  readonly models = new Map<string, { name: string; version: number; addedAt: number }>();
  readonly asked: Asked[] = [];
  readonly pauses: { readonly ms: number; readonly end: () => void }[] = [];
  readonly preloader: ModelPreloader;

  constructor(loadedModels: number) {
    const runtime = {
      now: () => 0,
      after: (ms: number, end: () => void) => {
        this.pauses.push({ ms, end });
        return { cancel: () => undefined, restart: () => undefined };
      },
    } as unknown as Runtime;
    this.preloader = new ModelPreloader({
      machine: { models: this.models as unknown as Machine["models"] },
      models: {
        ready: (model) =>
          new Promise<LocalModel>((resolve, reject) => {
            const { name } = model as unknown as { readonly name: string };
            this.asked.push({
              name,
              succeed: () => resolve({} as LocalModel),
              fail: () => reject(new Error("no")),
            });
          }),
      },
      executor: { loadedModels },
      runtime,
      log: quiet,
    });
  }

  add(...names: readonly string[]): void {
    for (const name of names) {
      const version = (this.models.get(name)?.version ?? 0) + 1;
      const addedAt = this.asked.length + this.models.size * 10 + version;
      this.models.set(name, { name, version, addedAt });
    }
    this.preloader.nudge();
  }

  get names(): readonly string[] {
    return this.asked.map(({ name }) => name);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the newest are loaded first, two at a time, as many as the executor keeps", async (t) => {
  const stage = new Stage(3);
  stage.add("a", "b", "c", "d");
  t.deepEqual(stage.names, ["d", "c"]);
  stage.asked[1]!.succeed();
  await turn();
  t.deepEqual(stage.names, ["d", "c", "b"]);
  for (const { succeed } of stage.asked) succeed();
  await turn();
  stage.preloader.nudge();
  t.deepEqual(stage.names, ["d", "c", "b"], "a is one too many");
  await stage.preloader.close();
});

test("a new version is loaded, and what is loaded is not loaded again", async (t) => {
  const stage = new Stage(16);
  stage.add("a");
  stage.asked[0]!.succeed();
  await turn();
  stage.add("b");
  stage.asked[1]!.succeed();
  await turn();
  stage.add("a");
  t.deepEqual(stage.names, ["a", "b", "a"]);
  stage.asked[2]!.succeed();
  await stage.preloader.close();
});

test("one that cannot be loaded holds up no other, and is tried again ever more slowly", async (t) => {
  const stage = new Stage(16);
  stage.add("a", "b");
  stage.asked[0]!.fail();
  await turn();
  stage.add("c");
  t.deepEqual(stage.names, ["b", "a", "c"]);
  stage.pauses[0]!.end();
  await turn();
  t.is(stage.asked.length, 3, "two are under way");
  stage.asked[2]!.succeed();
  await turn();
  for (const i of [1, 2, 3]) {
    t.is(stage.names.at(-1), "b");
    stage.asked.at(-1)!.fail();
    await turn();
    stage.pauses[i]!.end();
    await turn();
  }
  t.deepEqual(
    stage.pauses.map(({ ms }) => ms),
    [2000, 4000, 8000, 16_000],
  );
  t.deepEqual(stage.names, ["b", "a", "c", "b", "b", "b", "b"]);
  const closing = stage.preloader.close();
  for (const { succeed } of stage.asked) succeed();
  await closing;
  stage.add("d");
  t.is(stage.asked.length, 7, "nothing begins once it is closed");
});
