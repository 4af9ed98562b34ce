/**
 * Models on this machine: pinned chunks joined into one `.onnx` file, verified by its SHA-256, and loaded into the
 * executor's threads before a query needs them.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, IDunnoError } from "../lib/errors.ts";
import type { Pin } from "../lib/content.ts";
import type { ModelManifest } from "../lib/model-manifest.ts";
import type { LocalModel } from "../inference/types.ts";
import type { ModelPin } from "../scheduler/types.ts";
import type { Files } from "./files.ts";
import type { Inference } from "./ports.ts";

export type WantedModel = Pick<ModelPin, "manifest" | "file">;

export interface WantedNetwork {
  readonly manifest: Pick<ModelManifest, "name" | "sha256">;
  readonly file: Pin;
}

export class Models {
  readonly #directory: string;
  readonly #files: Files;
  readonly #executor: Inference;
  /** What is being fetched or loaded. By manifest, since two may use one file; rows never change, so it is the same object. */
  readonly #underWay = new Map<ModelManifest, Promise<LocalModel>>();

  /** How many need a file as it is, though no model may name it yet. By SHA-256. */
  readonly #holds = new Map<string, number>();
  /** Being deleted. By SHA-256. */
  readonly #dropping = new Map<string, Promise<void>>();

  /** What has been loaded here; the executor may have let it go since. */
  readonly #loaded = new WeakSet<ModelManifest>();

  constructor(directory: string, ports: { readonly files: Files; readonly executor: Inference }) {
    this.#directory = directory;
    this.#files = ports.files;
    this.#executor = ports.executor;
  }

  /** The model's file on this machine. Many may ask at once; it is fetched once. */
  async local(model: WantedModel, signal: AbortSignal): Promise<LocalModel> {
    const { manifest } = model;
    return { sha256: manifest.sha256, path: await this.path(model, signal), manifest };
  }

  /** Where the file lies on this machine, of which no more than its hash need be known. */
  async path(network: WantedNetwork, signal: AbortSignal): Promise<string> {
    const path = this.#pathOf(network);
    // Its failure is told to whoever asked for the deletion.
    await this.#dropping.get(network.manifest.sha256)?.catch(() => undefined);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== network.file.bytes) await this.#fetch(network, path, signal);
    return path;
  }

  /** Fetched and loaded in every thread; again, if the executor has let it go or the file has gone. */
  async ready(model: WantedModel, signal: AbortSignal): Promise<LocalModel> {
    const known = this.#underWay.get(model.manifest);
    if (known !== undefined) return known;
    const loading = this.#load(model, signal);
    this.#underWay.set(model.manifest, loading);
    try {
      return await loading;
    } finally {
      this.#underWay.delete(model.manifest);
    }
  }

  /** Keeps the file of this hash, fetched or to be fetched, from {@link drop}. */
  hold(sha256: string): Disposable {
    this.#holds.set(sha256, (this.#holds.get(sha256) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#holds.get(sha256) ?? 0) - 1;
        if (left > 0) this.#holds.set(sha256, left);
        else this.#holds.delete(sha256);
      },
    };
  }

  /** SHA-256 of each file here, fetched in whole or in part. */
  async stored(): Promise<string[]> {
    const names = await readdir(this.#directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return [...new Set(names.flatMap((name) => /^[0-9a-f]{64}(?=\.)/.exec(name) ?? []))];
  }

  /**
   * Lets a model go: out of the executor at its next idle moment, and its files from this machine. Not one that somebody
   * holds, fetches or loads.
   * @returns whether it went
   */
  async drop(sha256: string): Promise<boolean> {
    if (this.#holds.has(sha256) || !this.release(sha256)) return false;
    // From here on, until it is done, whoever wants the file waits and then fetches it.
    const dropping = this.#delete(sha256);
    this.#dropping.set(sha256, dropping);
    try {
      await dropping;
    } finally {
      this.#dropping.delete(sha256);
    }
    return true;
  }

  /** Lets a model go out of the executor at its next idle moment. @returns whether it went; not while it is loaded */
  release(sha256: string): boolean {
    if (this.#isUnderWay(sha256)) return false;
    if (this.#executor.isLoaded(sha256)) this.#executor.unload(sha256);
    return true;
  }

  #isUnderWay(sha256: string): boolean {
    return [...this.#underWay.keys()].some((manifest) => manifest.sha256 === sha256);
  }

  /** Findings about it and what is left of broken fetches go with it. */
  async #delete(sha256: string): Promise<void> {
    const names = await readdir(this.#directory);
    for (const name of names.filter((each) => each.startsWith(`${sha256}.`)))
      await rm(join(this.#directory, name), { force: true });
  }

  async #load(model: WantedModel, signal: AbortSignal): Promise<LocalModel> {
    const { manifest } = model;
    const { sha256 } = manifest;
    // Every query asks: what is loaded needs no look at the disk.
    const local =
      this.#loaded.has(manifest) && this.#executor.isLoaded(sha256)
        ? { sha256, path: this.#pathOf(model), manifest }
        : await this.local(model, signal);
    try {
      await this.#executor.load(local);
      this.#loaded.add(manifest);
    } catch (error) {
      this.#loaded.delete(manifest);
      // A power cut may have spoilt the file, which is not synced: the next try fetches it anew.
      if (hasCode(error, "BAD_MODEL")) await rm(local.path, { force: true });
      throw error;
    }
    return local;
  }

  #pathOf({ manifest }: WantedNetwork): string {
    return join(this.#directory, `${manifest.sha256}.onnx`);
  }

  /** @throws IDunnoError BAD_MODEL when the bytes do not hash to what the manifest says */
  async #fetch(
    { manifest, file }: WantedNetwork,
    path: string,
    signal: AbortSignal,
  ): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const aside = `${path}.${process.pid}.${Math.floor(performance.now() * 1000)}`;
    const hash = createHash("sha256");
    const handle = await open(aside, "w");
    try {
      for await (const bytes of this.#files.read(file, signal)) {
        hash.update(bytes);
        await handle.write(bytes);
      }
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    const digest = hash.digest("hex");
    if (digest !== manifest.sha256) {
      await rm(aside, { force: true });
      throw new IDunnoError("BAD_MODEL", {
        model: manifest.name,
        why: `the file hashes to ${digest}, its manifest says ${manifest.sha256}: the two do not belong together`,
      });
    }
    await rename(aside, path);
  }
}
