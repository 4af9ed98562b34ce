/**
 * Lets models go on this machine. Those that nobody can ask for any more, since no name has them and no job that has not
 * ended runs them, are deleted; those that were unloaded leave the executor. What a job still runs goes when that job ends.
 */
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { Machine } from "../machine/machine.ts";
import { preloaded } from "../machine/models.ts";
import { hasEnded } from "../scheduler/rows.ts";
import { sharedAbort } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { LocalModels } from "./ports.ts";

/** After a file could not be deleted, or was in use, in ms: a request that holds one lasts minutes at most. */
const againMs = 60_000;

export interface ModelSweeperPorts {
  readonly machine: Pick<
    Machine,
    "aliases" | "jobEnds" | "jobs" | "modelChanges" | "models" | "olderModels"
  >;
  readonly models: Pick<LocalModels, "drop" | "release" | "stored">;
  /** Until then the state may be an old one, which has no models yet. */
  readonly isReady: () => boolean;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class ModelSweeper {
  readonly #ports: ModelSweeperPorts;
  readonly #closing = sharedAbort();
  #running: Promise<void> | undefined;
  #again: Timer | undefined;
  /** As of the last look; -1: look anew. */
  #modelChanges = -1;
  #jobEnds = -1;
  /** Whether there is one that is here for jobs only, or may come for one. */
  #isForJobs = false;

  constructor(ports: ModelSweeperPorts) {
    this.#ports = ports;
  }

  /** Models, aliases or jobs may have changed. Called often: mostly there is nothing to do. */
  nudge(): void {
    const { machine, isReady } = this.#ports;
    const isSame =
      machine.modelChanges === this.#modelChanges &&
      (!this.#isForJobs || machine.jobEnds === this.#jobEnds);
    if (isSame || this.#running !== undefined || this.#closing.signal.aborted || !isReady()) return;
    // Never rejects: what goes wrong is logged.
    this.#running = this.#sweep().finally(() => {
      this.#running = undefined;
      this.nudge();
    });
  }

  async #sweep(): Promise<void> {
    const { machine, models, log, runtime } = this.#ports;
    this.#modelChanges = machine.modelChanges;
    this.#jobEnds = machine.jobEnds;
    this.#isForJobs = false;
    this.#again?.cancel();
    let isDone = true;
    try {
      isDone = this.#releaseUnloaded();
      const stored = await models.stored();
      let needed = this.#needed();
      for (const sha256 of stored) {
        if (needed.named.has(sha256) || this.#closing.signal.aborted) continue;
        if (needed.run.has(sha256)) this.#isForJobs = true;
        else if (await models.drop(sha256)) log.info("model-deleted", { sha256 });
        else isDone = false;
        // A name or a job may have come meanwhile.
        needed = this.#needed();
      }
    } catch (error) {
      isDone = false;
      log.warn("model-not-deleted", { error: String(error) });
    }
    if (isDone || this.#closing.signal.aborted) return;
    this.#again = runtime.after(againMs, () => {
      this.#modelChanges = -1;
      this.nudge();
    });
  }

  /** Unless another name wants the same network. @returns whether all went that can go now */
  #releaseUnloaded(): boolean {
    const { machine, models } = this.#ports;
    const all = [...machine.models.values(), ...machine.olderModels.values()];
    const unloaded = all.filter(({ preload }) => preload?.wanted === false);
    if (unloaded.length === 0) return true;
    // A later job loads one of them, and leaves it behind.
    this.#isForJobs = true;
    const { run } = this.#needed();
    const wanted = new Set(preloaded(machine).map(({ manifest }) => manifest.sha256));
    return unloaded
      .map(({ manifest }) => manifest.sha256)
      .filter((sha256) => !wanted.has(sha256) && !run.has(sha256))
      .map((sha256) => models.release(sha256))
      .every((isGone) => isGone);
  }

  /** The networks that names have, and those that unfinished jobs run. */
  #needed(): { readonly named: ReadonlySet<string>; readonly run: ReadonlySet<string> } {
    const { jobs, models, olderModels } = this.#ports.machine;
    const run = new Set<string>();
    for (const { model, status } of jobs.values())
      if (!hasEnded(status)) run.add(model.manifest.sha256);
    const rows = [...models.values(), ...olderModels.values()];
    return { named: new Set(rows.map(({ manifest }) => manifest.sha256)), run };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#again?.cancel();
    await this.#running;
  }
}
