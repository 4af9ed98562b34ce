/**
 * Tries a model in a process of its own: one that crashes or hangs onnxruntime, or is refused, then leaves
 * neither a dead executor nor a leaked session behind. One at a time, since each takes a core and a model's memory.
 */
import { IDunnoError } from "../lib/errors.ts";
import type { Network } from "../lib/network.ts";
import { ExecutorProcess, type LoadEnd } from "./executor-process.ts";
import { type NetworkFile, planOf } from "./protocol.ts";
import { closed, LOAD_WITHIN_MS, LONE_START_WITHIN_MS } from "./supervisor.ts";
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
    await this.#queued(async (child) => {
      const end = await child.load(planOf(model, 0), LOAD_WITHIN_MS);
      if (end.kind !== "loaded") throw this.#unusable(model.manifest.name, end);
    });
  }

  /** What a network says of itself. @throws IDunnoError BAD_MODEL, EXECUTOR_FAILED, BUSY, CLOSED */
  async inspect(file: NetworkFile): Promise<Network> {
    return this.#queued(async (child) => {
      const end = await child.inspect(file, LOAD_WITHIN_MS);
      if (end.kind === "inspected") return end.network;
      throw this.#unusable(
        file.name,
        end.kind === "gone" ? end : { kind: "refused", why: end.why },
      );
    });
  }

  async #queued<T>(work: (child: ExecutorProcess) => Promise<T>): Promise<T> {
    if (this.#pending >= MAX_VALIDATIONS)
      throw new IDunnoError("BUSY", { what: "the queue of models to try", limit: MAX_VALIDATIONS });
    this.#pending += 1;
    const mine = this.#last.then(async () => this.#inProcess(work));
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await mine;
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

  async #inProcess<T>(work: (child: ExecutorProcess) => Promise<T>): Promise<T> {
    if (this.#destroyed) throw closed();
    const child = new ExecutorProcess({ slots: 1, log: this.#log, onAnswer: () => undefined });
    this.#process = child;
    try {
      if (!(await child.up(LONE_START_WITHIN_MS))) {
        const { why } = await child.exited;
        throw this.#destroyed
          ? closed()
          : new IDunnoError("EXECUTOR_FAILED", { why, during: "start" });
      }
      return await work(child);
    } finally {
      child.kill({ kind: "nobody", why: "the trial is over" });
      await child.exited;
      this.#process = undefined;
    }
  }

  #unusable(model: string, end: Exclude<LoadEnd, { readonly kind: "loaded" }>): IDunnoError {
    if (this.#destroyed) return closed();
    const why = end.kind === "refused" ? end.why : `onnxruntime crashed on it (${end.blame.why})`;
    return new IDunnoError("BAD_MODEL", { model, why });
  }
}
