/**
 * Tries a model in a process of its own: one that crashes or hangs onnxruntime, or is refused, then leaves
 * neither a dead executor nor a leaked session behind. One at a time, since each takes a core and a model's memory.
 */
import { IDunnoError } from "../lib/errors.ts";
import { ExecutorProcess } from "./executor-process.ts";
import { planOf } from "./protocol.ts";
import { closed, LOAD_WITHIN_MS, START_WITHIN_MS } from "./supervisor.ts";
import type { LocalModel, LogLine } from "./types.ts";

/** Waiting ones included; adding models is rare, and each caller is a person. */
export const MAX_VALIDATIONS = 16;

export class Validator {
  readonly #log: (line: LogLine) => void;
  #process: ExecutorProcess | undefined;
  #last: Promise<void> = Promise.resolve();
  #pending = 0;
  #destroyed = false;

  constructor(log: (line: LogLine) => void) {
    this.#log = log;
  }

  /** @throws IDunnoError BAD_MODEL, EXECUTOR_FAILED, BUSY, CLOSED */
  async validate(model: LocalModel): Promise<void> {
    if (this.#pending >= MAX_VALIDATIONS)
      throw new IDunnoError("BUSY", { what: "the queue of models to try", limit: MAX_VALIDATIONS });
    this.#pending += 1;
    const mine = this.#last.then(() => this.#try(model));
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    try {
      await mine;
    } finally {
      this.#pending -= 1;
    }
  }

  /** SIGKILLs what is under way; those who wait get CLOSED. Idempotent. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    this.#process?.kill({ kind: "nobody", why: "it was closed" });
    await this.#last;
  }

  async #try(model: LocalModel): Promise<void> {
    if (this.#destroyed) throw closed();
    const child = new ExecutorProcess({ slots: 1, log: this.#log, onAnswer: () => undefined });
    this.#process = child;
    try {
      if (!(await child.up(START_WITHIN_MS))) {
        const { why } = await child.exited;
        throw this.#destroyed
          ? closed()
          : new IDunnoError("EXECUTOR_FAILED", { why, during: "start" });
      }
      const end = await child.load(planOf(model, 0), LOAD_WITHIN_MS);
      if (this.#destroyed) throw closed();
      if (end.kind === "loaded") return;
      const why = end.kind === "refused" ? end.why : `onnxruntime crashed on it (${end.blame.why})`;
      throw new IDunnoError("BAD_MODEL", { model: model.manifest.name, why });
    } finally {
      child.kill({ kind: "nobody", why: "the trial is over" });
      await child.exited;
      this.#process = undefined;
    }
  }
}
