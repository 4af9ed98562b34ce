/**
 * Gives the memory of models back that nobody wants any more. Releasing a session leaks (upstream), so the process
 * that holds it is replaced.
 *
 * Invariants
 *  M1 a process that runs queries is never ended for its memory;
 *  M2 a process holds twice the limit of models at most: before it would get one more, nothing is begun any more,
 *     and it is replaced when what had been begun has ended. Nothing is lost by that; slots stand idle meanwhile;
 *  M3 below that it is replaced at the next idle moment, by one that was made ready beside it.
 *
 * At the utmost (M2) no second process is made ready beside the first: both together would hold three times the limit, which
 * is what the limit is to prevent.
 */
import { MAX_EXCESS } from "./model-table.ts";
import type { Supervisor } from "./supervisor.ts";

/** After a replacement that came to nothing, since queries came meanwhile: making a process ready takes seconds of a core. */
const AGAIN_MS = 30_000;

export interface ModelMemoryPorts {
  readonly supervisor: () => Pick<
    Supervisor,
    "holdsUnwanted" | "replace" | "resident" | "restart" | "whenReady"
  >;
  /** No query, no load: the process may be replaced and nobody notices. */
  readonly isIdle: () => boolean;
  /** As of the dispatcher: hands nothing out meanwhile. */
  readonly still: (act: () => Promise<void>) => Promise<void>;
}

export class ModelMemory {
  readonly #limit: number;
  readonly #ports: ModelMemoryPorts;
  #isReplacing = false;
  #pressing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param limit models that are to be loaded at most while not more are in use */
  constructor({ limit }: { readonly limit: number }, ports: ModelMemoryPorts) {
    this.#limit = limit;
    this.#ports = ports;
  }

  /** Perhaps the moment has come: nothing is under way, or something was forgotten. */
  nudge(): void {
    const { isIdle, supervisor } = this.#ports;
    if (
      this.#isClosed ||
      this.#isReplacing ||
      this.#timer !== undefined ||
      this.#pressing !== undefined
    )
      return;
    if (!isIdle() || !supervisor().holdsUnwanted) return;
    this.#isReplacing = true;
    // Never rejects: the supervisor logs what goes wrong.
    void supervisor()
      .replace(isIdle)
      .then((isReplaced) => {
        this.#isReplacing = false;
        if (isReplaced) return this.nudge();
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.nudge();
        }, AGAIN_MS).unref();
      });
  }

  /**
   * Resolves when one model more may be loaded.
   * @throws IDunnoError EXECUTOR_FAILED, CLOSED
   */
  async makeRoom(): Promise<void> {
    const { supervisor } = this.#ports;
    while (supervisor().resident >= this.#limit * MAX_EXCESS && supervisor().holdsUnwanted) {
      this.#pressing ??= this.#press().finally(() => (this.#pressing = undefined));
      await this.#pressing;
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #press(): Promise<void> {
    const { still, supervisor } = this.#ports;
    await still(async () => {
      supervisor().restart("it holds too many models");
      await supervisor().whenReady();
    });
  }
}
