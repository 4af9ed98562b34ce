/**
 * Models on this machine: pinned chunks joined into one `.onnx` file, verified by its SHA-256, and loaded into the
 * executor's threads before a query needs them.
 */
import { createHash } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
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
  /** What is being fetched or loaded. */
  readonly #underWay = new Map<string, Promise<LocalModel>>();

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
    const path = join(this.#directory, `${network.manifest.sha256}.onnx`);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== network.file.bytes) await this.#fetch(network, path, signal);
    return path;
  }

  /** Fetched and loaded in every thread; again, if the executor has let it go or the file has gone. */
  async ready(model: WantedModel, signal: AbortSignal): Promise<LocalModel> {
    // Two manifests may use one file, so both count.
    const key = createHash("sha256").update(JSON.stringify(model.manifest)).digest("hex");
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    const loading = this.#load(model, signal);
    this.#underWay.set(key, loading);
    try {
      return await loading;
    } finally {
      this.#underWay.delete(key);
    }
  }

  async #load(model: WantedModel, signal: AbortSignal): Promise<LocalModel> {
    const local = await this.local(model, signal);
    try {
      await this.#executor.load(local);
    } catch (error) {
      // A power cut may have spoilt the file, which is not synced: the next try fetches it anew.
      if (hasCode(error, "BAD_MODEL")) await rm(local.path, { force: true });
      throw error;
    }
    return local;
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
