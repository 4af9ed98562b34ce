/** Model files of a machine: fetched once, and let go without harm to whoever wants them at that moment. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Files } from "../../src/node/files.ts";
import { Models, type WantedModel } from "../../src/node/models.ts";
import type { Inference } from "../../src/node/ports.ts";
import { manifest } from "../machine/fixtures.ts";

const content = Buffer.from("a network");
const sha256 = createHash("sha256").update(content).digest("hex");
const model: WantedModel = {
  manifest: { ...manifest, sha256 },
  file: { path: "m", version: 1 as never, bytes: content.length, chunks: [] },
};
const { signal } = new AbortController();

class Stage {
  readonly directory: string;
  readonly loaded = new Set<string>();
  readonly models: Models;
  fetched = 0;
  loading: Promise<{ readonly loadMs: number }> = Promise.resolve({ loadMs: 1 });

  private constructor(directory: string) {
    this.directory = directory;
    const files = { read: () => this.#fetch() } as unknown as Files;
    const executor = {
      load: async ({ sha256: hash }: { readonly sha256: string }) => {
        this.loaded.add(hash);
        return this.loading;
      },
      isLoaded: (hash: string) => this.loaded.has(hash),
      unload: (hash: string) => this.loaded.delete(hash),
    } as unknown as Inference;
    this.models = new Models(join(directory, "models"), { files, executor });
  }

  async *#fetch(): AsyncGenerator<Uint8Array> {
    this.fetched += 1;
    yield content;
  }

  static async start(t: ExecutionContext): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), "idunno-models-"));
    t.teardown(async () => rm(directory, { recursive: true }));
    return new Stage(directory);
  }
}

test("a model that goes leaves nothing behind, in the executor or on disk, and is fetched again when wanted", async (t) => {
  const stage = await Stage.start(t);
  const { models } = stage;
  t.deepEqual(await models.stored(), [], "there is not even a folder");
  const { path } = await models.ready(model, signal);
  await models.path(model, signal);
  t.is(stage.fetched, 1);
  await writeFile(`${path}.0011223344556677.micro-batch.json`, "{}");
  await writeFile(`${path}.7.99`, "half of a fetch that was broken off");
  await writeFile(join(stage.directory, "models", "note.txt"), "somebody's own");
  t.deepEqual(await models.stored(), [sha256]);
  t.true(await models.drop(sha256));
  t.deepEqual(await readdir(join(stage.directory, "models")), ["note.txt"]);
  t.is(stage.loaded.size, 0);
  await models.ready(model, signal);
  t.is(stage.fetched, 2);
});

test("what is held, or being loaded, does not go", async (t) => {
  const { models } = await Stage.start(t);
  await models.path(model, signal);
  {
    using _first = models.hold(sha256);
    {
      using _second = models.hold(sha256);
    }
    t.false(await models.drop(sha256));
  }
  t.true(await models.drop(sha256));
  const stage = await Stage.start(t);
  let loaded = (): void => undefined;
  stage.loading = new Promise((resolve) => (loaded = () => resolve({ loadMs: 1 })));
  const ready = stage.models.ready(model, signal);
  t.false(await stage.models.drop(sha256));
  loaded();
  await ready;
  t.true(await stage.models.drop(sha256));
});

test("whoever wants the file while it is deleted gets it anew", async (t) => {
  const stage = await Stage.start(t);
  await stage.models.path(model, signal);
  const [isGone, path] = await Promise.all([
    stage.models.drop(sha256),
    stage.models.path(model, signal),
  ]);
  t.true(isGone);
  t.is((await stat(path)).size, content.length);
  t.is(stage.fetched, 2);
});

test("a model that is released stays on disk", async (t) => {
  const stage = await Stage.start(t);
  await stage.models.ready(model, signal);
  t.true(stage.models.release(sha256));
  t.is(stage.loaded.size, 0);
  t.deepEqual(await stage.models.stored(), [sha256]);
  await stage.models.ready(model, signal);
  t.is(stage.fetched, 1);
});
