/** Which models a node loads before anybody needs them, and in which order. */
import test from "ava";
import type { LocalModel } from "../../src/inference/types.ts";
import type { Runtime } from "../../src/lib/runtime.ts";
import type { ModelRecord } from "../../src/machine/commands.ts";
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
  readonly #machine = {
    models: new Map<string, object>(),
    olderModels: new Map<string, object>(),
    aliases: new Map<string, object>(),
    modelChanges: 0,
  };
  /** Log time. */
  #now = 0;
  /** What the executor has now. */
  readonly loaded = new Set<string>();
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
      machine: this.#machine as unknown as Machine,
      models: {
        ready: (model) =>
          new Promise<LocalModel>((resolve, reject) => {
            const { name } = model as unknown as { readonly name: string };
            this.asked.push({
              name,
              succeed: () => {
                this.loaded.add(model.manifest.sha256);
                resolve({} as LocalModel);
              },
              fail: () => reject(new Error("no")),
            });
          }),
      },
      executor: { loadedModels, isLoaded: (sha256) => this.loaded.has(sha256) },
      runtime,
      log: quiet,
    });
  }

  add(...names: readonly string[]): void {
    for (const name of names) {
      const version =
        ((this.#machine.models.get(name) as ModelRecord | undefined)?.version ?? 0) + 1;
      this.put({ name, version, addedAt: this.#tick(), manifest: { sha256: `${name}${version}` } });
    }
    this.preloader.nudge();
  }

  /** As `model load` and `model unload` would. */
  preload(name: string, wanted?: boolean): void {
    const at = this.#tick();
    this.put({ ...this.model(name), preload: wanted === undefined ? { at } : { at, wanted } });
    this.preloader.nudge();
  }

  put(model: object): void {
    const { name } = model as ModelRecord;
    this.#machine.models.set(name, model);
    this.#machine.modelChanges += 1;
  }

  model(name: string): ModelRecord {
    return this.#machine.models.get(name) as ModelRecord;
  }

  state(name: string): string {
    const { state, why } = this.preloader.stateOf(this.model(name));
    return why === undefined ? state : `${state}: ${why}`;
  }

  #tick(): number {
    this.#now += 1;
    return this.#now;
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

test("an unloaded model is not loaded until it is asked for again, and then before all others", async (t) => {
  const stage = new Stage(2);
  stage.add("a", "b", "c");
  t.deepEqual(stage.names, ["c", "b"]);
  for (const { succeed } of stage.asked) succeed();
  await turn();
  t.is(stage.state("c"), "loaded");
  t.regex(stage.state("a"), /^crowdedOut: it keeps 2 loaded/);
  stage.preload("c", false);
  stage.loaded.delete("c1");
  t.is(stage.state("c"), "unloaded");
  t.deepEqual(stage.names, ["c", "b", "a"], "there is room now");
  stage.asked[2]!.succeed();
  await turn();
  stage.preload("c");
  t.is(stage.state("c"), "loading");
  t.deepEqual(stage.names, ["c", "b", "a", "c"]);
  stage.asked[3]!.succeed();
  await turn();
  t.is(stage.state("c"), "loaded");
  stage.loaded.delete("c1");
  t.regex(stage.state("c"), /^crowdedOut/, "it made room for a job's");
  stage.preload("c");
  t.is(stage.names.length, 5);
  stage.asked[4]!.succeed();
  await stage.preloader.close();
});

test("one that failed says why, and is tried at once when it is asked for again", async (t) => {
  const stage = new Stage(16);
  stage.add("a");
  t.is(stage.state("a"), "loading");
  stage.asked[0]!.fail();
  await turn();
  t.regex(stage.state("a"), /^failed: .*no/);
  stage.preload("a");
  t.is(stage.state("a"), "loading");
  t.is(stage.asked.length, 2);
  stage.pauses[0]!.end();
  await turn();
  t.is(stage.asked.length, 2, "the pause of before starts nothing");
  stage.preload("a");
  t.is(stage.asked.length, 2, "it is under way");
  stage.asked[1]!.succeed();
  await turn();
  t.is(stage.state("a"), "loaded");
  stage.put({ ...stage.model("a"), name: "b", manifest: { sha256: "b1" } });
  t.is(stage.state("b"), "loading", "who asks first hears of what is new, and it is begun");
  t.is(stage.asked.length, 3);
  stage.asked[2]!.succeed();
  await stage.preloader.close();
});
