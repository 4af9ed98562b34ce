/**
 * Models are fetched and loaded when they are added, on every node, so that no job has to wait for them. The newest
 * come first, as many as the executor keeps; one that cannot be loaded is tried again and holds up no other.
 */
import type { Runtime } from "../lib/runtime.ts";
import type { Machine } from "../machine/machine.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { Inference, LocalModels } from "./ports.ts";

/** Models under way at a time: one is fetched while another is loaded, which takes all threads. */
const atATime = 2;
/** Pause before a model that could not be loaded is tried again, in ms; it doubles. */
const againMs = 2_000;
const againMaxMs = 60_000;

export interface ModelPreloaderPorts {
  readonly machine: Pick<Machine, "models">;
  readonly models: Pick<LocalModels, "ready">;
  readonly executor: Pick<Inference, "loadedModels">;
  readonly runtime: Runtime;
  readonly log: Logger;
}

type Model = Parameters<LocalModels["ready"]>[0] & {
  readonly name: string;
  readonly version: number;
};

export class ModelPreloader {
  readonly #ports: ModelPreloaderPorts;
  readonly #closing = sharedAbort();
  /** name@version of what is loaded, under way, waiting to be tried again, or too old to be kept. */
  readonly #known = new Set<string>();
  /** How often it could not be loaded, one time after the other. */
  readonly #failures = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #underWay = 0;

  constructor(ports: ModelPreloaderPorts) {
    this.#ports = ports;
  }

  /** The list of models may have changed. */
  nudge(): void {
    const { machine, executor } = this.#ports;
    if ([...machine.models.values()].every((model) => this.#known.has(keyOf(model)))) return;
    const newestFirst = [...machine.models.values()].toSorted((a, b) => b.addedAt - a.addedAt);
    for (const [i, model] of newestFirst.entries()) {
      const key = keyOf(model);
      if (this.#known.has(key)) continue;
      if (i < executor.loadedModels) {
        if (this.#underWay >= atATime || this.#closing.signal.aborted) return;
        // Never rejects: what goes wrong is logged.
        const running = this.#load(model).finally(() => this.#running.delete(running));
        this.#running.add(running);
      }
      this.#known.add(key);
    }
  }

  async #load(model: Model): Promise<void> {
    const { signal } = this.#closing;
    const key = keyOf(model);
    this.#underWay += 1;
    const isDone = await this.#try(model);
    this.#underWay -= 1;
    if (isDone) {
      this.#failures.delete(key);
      return this.nudge();
    }
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.nudge();
    await pause(this.#ports.runtime, Math.min(againMs * 2 ** failures, againMaxMs), signal);
    // Unless another version has taken its place.
    this.#known.delete(key);
    this.nudge();
  }

  /** Whether it is loaded now. */
  async #try(model: Model): Promise<boolean> {
    const { models, log, runtime } = this.#ports;
    const { signal } = this.#closing;
    const startedAt = runtime.now();
    try {
      await models.ready(model, signal);
      const ms = Math.round(runtime.now() - startedAt);
      log.info("model-loaded", { model: keyOf(model), ms });
      return true;
    } catch (error) {
      if (!signal.aborted)
        log.warn("model-not-loaded", { model: keyOf(model), error: String(error) });
      return false;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }
}

function keyOf({ name, version }: Pick<Model, "name" | "version">): string {
  return `${name}@${version}`;
}
