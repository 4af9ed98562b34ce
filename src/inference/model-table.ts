/**
 * The models an executor has been asked to load, each with a number of its own. Two models are the same when
 * every byte of their results must be: the same file and the same way of feeding and reading it.
 */
import { IDunnoError } from "../lib/errors.ts";
import { type ModelPlan, planOf } from "./protocol.ts";
import type { LocalModel } from "./types.ts";

/** Sessions stay open for a process's life, so they are bounded: 64 of Inception V3's size are 6 GB a thread. */
export const MAX_LOADED_MODELS = 64;

export interface ModelEntry {
  readonly plan: ModelPlan;
  /** Settles when the first load does. */
  loading: Promise<{ readonly loadMs: number }>;
  /** Set when it has been loaded. */
  loaded: boolean;
}

export class ModelTable {
  readonly #entries = new Map<string, ModelEntry>();
  readonly #load: (plan: ModelPlan) => Promise<void>;
  #nextKey = 0;

  /** @param load opens the model in every thread */
  constructor(load: (plan: ModelPlan) => Promise<void>) {
    this.#load = load;
  }

  /**
   * The model's entry, loading it if it is new.
   * @throws IDunnoError BUSY when too many are loaded
   */
  entry(model: LocalModel): ModelEntry {
    const fingerprint = fingerprintOf(model);
    const known = this.#entries.get(fingerprint);
    if (known !== undefined) return known;
    if (this.#entries.size >= MAX_LOADED_MODELS)
      throw new IDunnoError("BUSY", {
        what: "the table of loaded models",
        limit: MAX_LOADED_MODELS,
      });
    const plan = planOf(model, this.#nextKey);
    this.#nextKey += 1;
    const start = performance.now();
    const loading = this.#load(plan).then(
      () => {
        entry.loaded = true;
        return { loadMs: performance.now() - start };
      },
      (error: unknown) => {
        // Forgotten, so that a later try starts afresh.
        if (this.#entries.get(fingerprint) === entry) this.#entries.delete(fingerprint);
        throw error;
      },
    );
    const entry: ModelEntry = { plan, loading, loaded: false };
    this.#entries.set(fingerprint, entry);
    return entry;
  }

  /** Forgets models; returns the forgotten ones' numbers. */
  forget(which: (plan: ModelPlan) => boolean): readonly number[] {
    const forgotten: number[] = [];
    for (const [fingerprint, { plan }] of this.#entries) {
      if (!which(plan)) continue;
      this.#entries.delete(fingerprint);
      forgotten.push(plan.key);
    }
    return forgotten;
  }
}

function fingerprintOf({ sha256, path, manifest }: LocalModel): string {
  const { input, output, preprocessing, topK } = manifest;
  return JSON.stringify([
    sha256,
    path,
    [input.name, input.layout, input.height, input.width, input.type],
    [output.name, output.classes, output.activation],
    [
      preprocessing.resize,
      preprocessing.channelOrder,
      preprocessing.scale,
      preprocessing.mean,
      preprocessing.std,
      preprocessing.shortSide,
    ],
    topK,
  ]);
}
