/**
 * Models are fetched and loaded when they are added, on every node, so that no job has to wait for them. The latest asked
 * for come first, as many as the executor keeps; one that cannot be loaded is tried again and holds up no other.
 */
import type { ModelNodeView } from "../lib/api/models.ts";
import { asIDunnoError } from "../lib/errors.ts";
import { modelReferenceText } from "../lib/model-reference.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { LogTime } from "../lib/types.ts";
import type { ModelRecord } from "../machine/commands.ts";
import type { Machine } from "../machine/machine.ts";
import { askedAt, preloaded } from "../machine/models.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Inference, LocalModels } from "./ports.ts";

/** Models under way at a time: one is fetched while another is loaded, which takes all threads. */
const atATime = 2;
/** Pause before a model that could not be loaded is tried again, in ms; it doubles. */
const againMs = 2_000;
const againMaxMs = 60_000;

export interface ModelPreloaderPorts {
  readonly machine: Pick<Machine, "aliases" | "modelChanges" | "models" | "olderModels">;
  readonly models: Pick<LocalModels, "ready">;
  readonly executor: Pick<Inference, "isLoaded" | "loadedModels">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

/** What became of a model here. */
export type ModelState = Pick<ModelNodeView, "state" | "why">;

/** One that is to be loaded here. */
interface Wish {
  model: ModelRecord;
  /** Somebody asked again when it is another time than the model's. */
  askedAt: LogTime;
  kind: "waiting" | "loading" | "loaded" | "failed" | "crowdedOut";
  why?: string;
  /** How often it could not be loaded, one time after the other. */
  failures: number;
}

export class ModelPreloader {
  readonly #ports: ModelPreloaderPorts;
  readonly #closing = sharedAbort();
  /** By name@version, in the order in which they are to be loaded. */
  #wishes = new Map<string, Wish>();
  readonly #running = new Set<Promise<void>>();
  #underWay = 0;
  /** As of the last look. */
  #modelChanges = -1;

  constructor(ports: ModelPreloaderPorts) {
    this.#ports = ports;
  }

  /** The list of models may have changed. Called often: mostly it has not. */
  nudge(): void {
    if (this.#look()) this.#pump();
  }

  /** What became of a model here. */
  stateOf(model: ModelRecord): ModelState {
    this.nudge();
    const { executor } = this.#ports;
    const isLoaded = executor.isLoaded(model.manifest.sha256);
    const wish = this.#wishes.get(modelReferenceText(model));
    switch (wish?.kind) {
      case "waiting":
      case "loading":
        return { state: "loading" };
      case "failed":
        return { state: "failed", why: wish.why ?? "" }; // unreachable: it has a reason
      case "crowdedOut":
      case "loaded":
        // What was loaded may have had to make room for what a job runs.
        return isLoaded ? { state: "loaded" } : { state: "crowdedOut", why: this.#fullText };
      case undefined:
        return { state: isLoaded ? "loaded" : "unloaded" };
    }
  }

  get #fullText(): string {
    const { loadedModels } = this.#ports.executor;
    return `it keeps ${loadedModels} loaded, and others were wanted later (--loaded-models)`;
  }

  /** Follows the list of models; whether it has changed. */
  #look(): boolean {
    const { machine, executor } = this.#ports;
    if (machine.modelChanges === this.#modelChanges) return false;
    this.#modelChanges = machine.modelChanges;
    const wishes = new Map<string, Wish>();
    for (const [i, model] of preloaded(machine).entries()) {
      const key = modelReferenceText(model);
      const wish = this.#followed(this.#wishes.get(key), model);
      if (wish.kind === "waiting" && i >= executor.loadedModels) wish.kind = "crowdedOut";
      if (wish.kind === "crowdedOut" && i < executor.loadedModels) wish.kind = "waiting";
      wishes.set(key, wish);
    }
    this.#wishes = wishes;
    return true;
  }

  /** The wish as it goes on; a new one when somebody has asked again, but while it is being loaded. */
  #followed(before: Wish | undefined, model: ModelRecord): Wish {
    const at = askedAt(model);
    if (before === undefined || (before.askedAt !== at && before.kind !== "loading"))
      return { model, askedAt: at, kind: "waiting", failures: 0 };
    before.model = model;
    before.askedAt = at;
    return before;
  }

  #pump(): void {
    for (const wish of this.#wishes.values()) {
      if (this.#underWay >= atATime || this.#closing.signal.aborted) return;
      if (wish.kind !== "waiting") continue;
      // Never rejects: what goes wrong is logged.
      const running = this.#load(wish).finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  async #load(wish: Wish): Promise<void> {
    const { signal } = this.#closing;
    this.#underWay += 1;
    wish.kind = "loading";
    const why = await this.#try(wish.model);
    this.#underWay -= 1;
    if (why === undefined) {
      wish.kind = "loaded";
      wish.failures = 0;
      return this.#pump();
    }
    wish.kind = "failed";
    wish.why = why;
    wish.failures += 1;
    this.#pump();
    const ms = Math.min(againMs * 2 ** (wish.failures - 1), againMaxMs);
    await pause(this.#ports.runtime, ms, signal);
    // Nobody looks at it any more when another has taken its place.
    wish.kind = "waiting";
    this.#pump();
  }

  /** Why it could not be loaded; undefined when it is loaded now. */
  async #try(model: ModelRecord): Promise<string | undefined> {
    const { models, log, runtime } = this.#ports;
    const { signal } = this.#closing;
    const startedAt = runtime.now();
    const key = modelReferenceText(model);
    try {
      await models.ready(model, signal);
      const ms = Math.round(runtime.now() - startedAt);
      log.info("model-loaded", { model: key, ms });
      return undefined;
    } catch (error) {
      if (!signal.aborted) log.warn("model-not-loaded", { model: key, error: String(error) });
      return asIDunnoError(error).message;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }
}
