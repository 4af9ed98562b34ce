/** Models are fetched and loaded when they are added, on every node, so that no job has to wait for them. */
import type { Runtime } from "../lib/runtime.ts";
import type { Machine } from "../machine/machine.ts";
import { pause, sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { LocalModels } from "./ports.ts";

/** Pause before a model that could not be loaded is tried again, in ms. */
const againMs = 2_000;

export interface ModelPreloaderPorts {
  readonly machine: Machine;
  readonly models: LocalModels;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class ModelPreloader {
  readonly #ports: ModelPreloaderPorts;
  readonly #closing = sharedAbort();
  /** name@version of what was loaded. */
  readonly #loaded = new Set<string>();
  #running: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(ports: ModelPreloaderPorts) {
    this.#ports = ports;
  }

  /** The list of models may have changed. */
  nudge(): void {
    if (!this.#busy && this.#next() !== undefined) this.#running = this.#run();
  }

  #next() {
    return [...this.#ports.machine.models.values()].find(
      (model) => !this.#loaded.has(keyOf(model)),
    );
  }

  async #run(): Promise<void> {
    this.#busy = true;
    const { signal } = this.#closing;
    const { models, log, runtime } = this.#ports;
    for (let model = this.#next(); model !== undefined && !signal.aborted; model = this.#next()) {
      const startedAt = runtime.now();
      try {
        await models.ready(model, signal);
        this.#loaded.add(keyOf(model));
        log.info("model-loaded", {
          model: keyOf(model),
          ms: Math.round(runtime.now() - startedAt),
        });
      } catch (error) {
        if (signal.aborted) break;
        log.warn("model-not-loaded", { model: keyOf(model), error: String(error) });
        await pause(this.#ports.runtime, againMs, signal);
      }
    }
    this.#busy = false;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}

function keyOf({ name, version }: { readonly name: string; readonly version: number }): string {
  return `${name}@${version}`;
}
