/**
 * The models an executor has been asked to load, each with a number of its own. Two models are the same when
 * every byte of their results must be: the same file and the same way of feeding and reading it. Beyond a limit the
 * one that was used longest ago goes, unless queries use it.
 */
import { IDunnoError } from "../lib/errors.ts";
import { ioOf } from "../lib/model-io.ts";
import type { ModelManifest } from "../lib/model-manifest.ts";
import { type ModelPlan, planOf } from "./protocol.ts";
import type { LocalModel } from "./types.ts";

/** Models kept loaded unless it is said otherwise: 16 of Inception V3's size are 1.5 GB a thread. */
export const DEFAULT_LOADED_MODELS = 16;
/** While queries use more models than the limit it is exceeded, up to this many times. */
export const MAX_EXCESS = 2;

export interface ModelEntry {
  readonly plan: ModelPlan;
  /** Settles when the first load does. */
  loading: Promise<{ readonly loadMs: number }>;
  /** Set when it has been loaded. */
  loaded: boolean;
}

export interface ModelTablePorts {
  /** Opens the model in every thread. */
  readonly load: (plan: ModelPlan) => Promise<void>;
  /** The numbers of the models that accepted queries need. */
  readonly used: () => ReadonlySet<number>;
  /** It went, for want of room. */
  readonly onOut: (plan: ModelPlan) => void;
}

export class ModelTable {
  /** In the order of their last use. */
  readonly #entries = new Map<string, ModelEntry>();
  readonly #limit: number;
  readonly #ports: ModelTablePorts;
  #nextKey = 0;

  constructor({ limit }: { readonly limit: number }, ports: ModelTablePorts) {
    this.#limit = limit;
    this.#ports = ports;
  }

  /** Whether a model of this file is loaded. */
  has(sha256: string): boolean {
    return [...this.#entries.values()].some(({ plan, loaded }) => loaded && plan.sha256 === sha256);
  }

  /**
   * The model's entry, loading it if it is new. It is then the one used last.
   * @throws IDunnoError BUSY when too many are in use, BAD_MODEL when its manifest contradicts itself
   */
  entry(model: LocalModel): ModelEntry {
    const fingerprint = fingerprintOf(model);
    const known = this.#entries.get(fingerprint);
    if (known !== undefined) {
      this.#entries.delete(fingerprint);
      this.#entries.set(fingerprint, known);
      return known;
    }
    this.#makeRoom();
    const plan = planOf(model, this.#nextKey);
    this.#nextKey += 1;
    const start = performance.now();
    const loading = this.#ports.load(plan).then(
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

  /** Lets those go that are over the limit once a new one is in, as far as they are not in use. */
  #makeRoom(): void {
    const over = this.#entries.size + 1 - this.#limit;
    if (over <= 0) return;
    const used = this.#ports.used();
    const idle = [...this.#entries].filter(([, { loaded, plan }]) => loaded && !used.has(plan.key));
    for (const [fingerprint, { plan }] of idle.slice(0, over)) {
      this.#entries.delete(fingerprint);
      this.#ports.onOut(plan);
    }
    const most = this.#limit * MAX_EXCESS;
    if (this.#entries.size >= most)
      throw new IDunnoError("BUSY", { what: "the table of models in use", limit: most });
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

/** Every query asks, with the same manifest as the one before. */
const fingerprints = new WeakMap<ModelManifest, string>();

function fingerprintOf({ sha256, path, manifest }: LocalModel): string {
  let io = fingerprints.get(manifest);
  if (io === undefined) {
    io = JSON.stringify(ioOf(manifest));
    fingerprints.set(manifest, io);
  }
  return JSON.stringify([sha256, path, io]);
}
